package event_test

import (
	"errors"
	"strings"
	"testing"

	"example.com/signet/services/receiver/internal/event"
)

func TestFields_ID(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want, fault string }{
		"string":              {`{"data":{"order_id":"12345"}}`, "12345", ""},
		"number keeps text":   {`{"data":{"order_id":12345678901234567890}}`, "12345678901234567890", ""},
		"other name":          {`{"data":{"id":7}}`, "7", ""},
		"specific name first": {`{"data":{"id":7,"order_id":8}}`, "8", ""},
		"no wrapper":          {`{"type":"t","order_id":9}`, "9", ""},
		"data null":           {`{"data":null,"order_id":9}`, "9", ""},
		"null is absent":      {`{"data":{"order_id":null,"id":3}}`, "3", ""},
		"form":                {`payload=%7B%22data%22%3A%7B%22id%22%3A5%7D%7D`, "5", ""},
		"missing":             {`{"data":{}}`, "", "order_id"},
		"empty":               {`{"data":{"order_id":""}}`, "", "order_id"},
		"control":             {`{"data":{"order_id":"a\u0000"}}`, "", "order_id"},
		"too long":            {`{"data":{"id":"` + strings.Repeat("x", 257) + `"}}`, "", "id"},
		"object":              {`{"data":{"order_id":{}}}`, "", "order_id"},
		"true":                {`{"data":{"order_id":true}}`, "", "order_id"},
		"data is a list":      {`{"data":[]}`, "", "data"},
		"array":               {`[1]`, "", "object"},
		"no JSON":             {`nope`, "", "object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields, err := event.Parse([]byte(c.body))
			var got string
			if err == nil {
				got, err = fields.ID("order_id", "id")
			}
			checkFault(t, err, c.fault)
			if got != c.want {
				t.Errorf("id = %q, want %q", got, c.want)
			}
		})
	}
}

func checkFault(t *testing.T, err error, fault string) {
	t.Helper()
	if fault == "" {
		if err != nil {
			t.Errorf("unexpected error: %v", err)
		}
		return
	}
	if !errors.Is(err, event.ErrPayload) || !strings.Contains(err.Error(), fault) {
		t.Errorf("error %v does not name %q", err, fault)
	}
}

func TestFields_Amount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fields string
		want   int64
		fault  string
	}{
		"tutorial":            {`"amount":99.99`, 9999, ""},
		"string":              {`"amount":"99.99"`, 9999, ""},
		"minor wins":          {`"amount":1,"amount_minor":4217`, 4217, ""},
		"minor as string":     {`"amount_minor":"4217"`, 4217, ""},
		"minor with fraction": {`"amount_minor":42.5`, 0, "amount_minor"},
		"null minor":          {`"amount_minor":null,"amount":2`, 200, ""},
		"three decimals":      {`"amount":1.005`, 0, "amount"},
		"negative":            {`"amount":-1`, 0, "amount"},
		"no number":           {`"amount":"1,50"`, 0, "amount"},
		"true":                {`"amount":true`, 0, "amount"},
		"missing":             {`"x":1`, 0, "amount"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields, err := event.Parse([]byte(`{"data":{` + c.fields + `}}`))
			if err != nil {
				t.Fatal(err)
			}
			got, err := fields.Amount()
			checkFault(t, err, c.fault)
			if got != c.want {
				t.Errorf("amount = %d, want %d", got, c.want)
			}
		})
	}
}

func TestFields_Currency(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"EUR"`: "EUR", `"usd"`: "USD", `null`: "", `"EURO"`: "!", `"E1R"`: "!", `5`: "!", `"Ä"`: "!", `""`: "!",
	} {
		fields, err := event.Parse([]byte(`{"data":{"currency":` + value + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := fields.Currency()
		if want == "!" {
			checkFault(t, err, "currency")
		} else if err != nil || got != want {
			t.Errorf("currency %s = %q, %v", value, got, err)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add([]byte(`{"data":{"order_id":"1","amount":99.99,"currency":"EUR"}}`))
	f.Add([]byte(`{"id":1e999999999,"amount":1e999999999}`))
	f.Add([]byte(`{"data":{"id":"\ud800","amount_minor":"1e-1"}}`))
	f.Add([]byte(`payload=%7B%7D`))
	f.Fuzz(func(t *testing.T, body []byte) {
		fields, err := event.Parse(body)
		if err != nil {
			return
		}
		if id, err := fields.ID("order_id", "id"); err == nil && (id == "" || len(id) > 256) {
			t.Errorf("id %q", id)
		}
		if minor, err := fields.Amount(); err == nil && (minor < 0 || minor > event.MaxMinor) {
			t.Errorf("amount %d", minor)
		}
		if c, err := fields.Currency(); err == nil && c != "" && len(c) != 3 {
			t.Errorf("currency %q", c)
		}
	})
}
