package app_test

import "testing"

// onPostgres is the name of the test whose parts get a PostgreSQL database from start.
const onPostgres = "TestApp_onPostgres"

// TestApp_onPostgres runs the contract's tests, and others, again on the other engine.
func TestApp_onPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"Admin_message":                     TestAdmin_message,
		"Admin_shapes":                      TestAdmin_shapes,
		"Admin_refuses":                     TestAdmin_refuses,
		"Admin_replayAndRetry":              TestAdmin_replayAndRetry,
		"Admin_filtersAndPages":             TestAdmin_filtersAndPages,
		"Admin_metrics":                     TestAdmin_metrics,
		"Contract_accepted":                 TestContract_accepted,
		"Contract_noContentType":            TestContract_noContentType,
		"Contract_refused":                  TestContract_refused,
		"Contract_otherMethods":             TestContract_otherMethods,
		"Contract_duplicates":               TestContract_duplicates,
		"Contract_unsigned":                 TestContract_unsigned,
		"Contract_front":                    TestContract_front,
		"App_duplicateOfFailedIsTriedAgain": TestApp_duplicateOfFailedIsTriedAgain,
		"App_tellsAPerson":                  TestApp_tellsAPerson,
	} {
		t.Run(name, test)
	}
}
