package webhook_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"example.com/signet/pkg/webhook"
)

// TestClient_OnDeliveryPanicsInSend: whoever called Send can recover what a callback panics with, at every status; the
// client goes on, and Close waits for nothing.
func TestClient_OnDeliveryPanicsInSend(t *testing.T) {
	t.Parallel()
	for _, at := range []webhook.Status{webhook.StatusPending, webhook.StatusSending, webhook.StatusRetrying, webhook.StatusSuccess} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			to := newSink(t, func(n int, w http.ResponseWriter) {
				if n == 0 {
					w.WriteHeader(http.StatusInternalServerError)
				}
			})
			client := newClient(t) // the end of the test closes it
			remove := client.OnDelivery(func(d webhook.Delivery) {
				if d.Status == at {
					panic("told of " + string(at))
				}
			})
			func() {
				defer func() {
					if got := recover(); got != "told of "+string(at) {
						t.Errorf("the caller recovers %v", got)
					}
				}()
				d, err := client.Send(t.Context(), to.URL, 1)
				t.Errorf("Send answers %+v, %v", d, err)
			}()
			remove()
			if _, err := client.Send(t.Context(), to.URL, 1); err != nil {
				t.Errorf("after the panic: %v", err)
			}
		})
	}
}

// panicsIn names, to a process of its own, the call in which a callback is to panic.
const panicsIn = "WEBHOOK_TEST_PANICS_IN"

// TestClient_OnDeliveryPanicsInMany: what a callback panics with in a SendMany or an Emit ends the process; who called
// that does not get to recover it.
func TestClient_OnDeliveryPanicsInMany(t *testing.T) {
	t.Parallel()
	if call := os.Getenv(panicsIn); call != "" {
		panicIn(t, call)
		return
	}
	for _, call := range []string{"SendMany", "Emit"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestClient_OnDeliveryPanicsInMany$")
			cmd.Env = append(os.Environ(), panicsIn+"="+call)
			said, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(said), "panic: told of it") || strings.Contains(string(said), survived) {
				t.Errorf("%v: %s", err, said)
			}
		})
	}
}

// survived is what the process says that is not ended.
const survived = "recovered, or not told"

func panicIn(t *testing.T, call string) {
	t.Helper()
	defer func() { t.Error(survived, recover()) }()
	to := newSink(t, status(http.StatusOK))
	client := newClient(t)
	client.OnDelivery(func(webhook.Delivery) { panic("told of it") })
	if call == "SendMany" {
		client.SendMany(context.Background(), []webhook.Message{{URL: to.URL, Payload: 1}})
		return
	}
	emitter := webhook.NewEmitter(client)
	if err := emitter.Subscribe(to.URL, nil); err != nil {
		t.Error(err)
	}
	_, err := emitter.Emit(context.Background(), webhook.Event{Type: "a.b", Data: []byte("1")})
	t.Error(err)
}
