package app_test

import "testing"

// onPostgres is the name of the test whose parts get a PostgreSQL database from settings.
const onPostgres = "TestApp_onPostgres"

// TestApp_onPostgres runs the tests of this package again on the other engine.
func TestApp_onPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"App_frame":                           TestApp_frame,
		"App_shapes":                          TestApp_shapes,
		"App_deliveryFilters":                 TestApp_deliveryFilters,
		"App_refusesEndpoints":                TestApp_refusesEndpoints,
		"App_survivesRestart":                 TestApp_survivesRestart,
		"App_declaredEndpoints":               TestApp_declaredEndpoints,
		"App_demo":                            TestApp_demo,
		"App_generator":                       TestApp_generator,
		"App_stopsInTime":                     TestApp_stopsInTime,
		"Delivery_signedAndRetried":           TestDelivery_signedAndRetried,
		"Delivery_answers":                    TestDelivery_answers,
		"Delivery_throttledByTheEndpoint":     TestDelivery_throttledByTheEndpoint,
		"Delivery_guard":                      TestDelivery_guard,
		"Endpoint_disabledKeepsItsDeliveries": TestEndpoint_disabledKeepsItsDeliveries,
		"Delivery_retry":                      TestDelivery_retry,
		"Publish_matching":                    TestPublish_matching,
		"Publish_duplicates":                  TestPublish_duplicates,
		"Publish_batch":                       TestPublish_batch,
		"Publish_largestBatch":                TestPublish_largestBatch,
		"Publish_batchLedger":                 TestPublish_batchLedger,
		"Publish_envelope":                    TestPublish_envelope,
		"Publish_refuses":                     TestPublish_refuses,
		"Publish_domain":                      TestPublish_domain,
		"ShowEvent":                           TestShowEvent,
	} {
		t.Run(name, test)
	}
}
