package dispatcher

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// A secret travels beside the statement, which has its salted hash, and is in
// nothing that is kept: neither the record nor the audit log.
func TestSecretTravelsBesideStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		var audited []string
		r.d.audit = func(task *model.Task, hosts []string) error {
			text, err := json.Marshal(task)
			audited = append(append(audited, string(text)), hosts...)
			return err
		}
		secret := &wire.Secret{Env: []string{"TOKEN=hunter2"}, Stdin: []byte("swordfish")}
		task, err := r.d.Submit(context.Background(), model.Spec{
			Command: "true", Hosts: []string{"a", "b"}, Fanout: 1, StartTimeout: time.Minute, Secret: secret,
			Run: wire.Run{Command: "true", TimeoutMS: 1000},
		})
		if err != nil {
			t.Fatal(err)
		}
		if kept := task.Statement + task.Command + strings.Join(audited, " "); strings.Contains(kept, "hunter2") || strings.Contains(kept, "swordfish") {
			t.Errorf("kept: %s", kept)
		}
		if task.Stdin != nil {
			t.Errorf("secret standard input is described: %+v", task.Stdin)
		}
		var salts [][]byte
		for range 2 { // the second host's statement is a new one
			p := r.take(broker.Routed)
			req, err := wire.DecodeRequest(p.Msg.Body)
			if err != nil {
				t.Fatal(err)
			}
			s := req.Secret
			if s == nil || len(s.Env) != 1 || s.Env[0] != "TOKEN=hunter2" || string(s.Stdin) != "swordfish" || len(req.Statement.Run.SecretHash) != 32 {
				t.Fatalf("%+v", s)
			}
			if strings.Contains(req.StatementText, "hunter2") || len(s.Salt) < wire.MinSalt {
				t.Errorf("statement %s, salt %x", req.StatementText, s.Salt)
			}
			salts = append(salts, s.Salt)
			time.Sleep(40 * time.Second)
			r.store.reply(req.Leaf.Job, results.Progress{State: model.Ended})
			for drained := false; !drained; { // what was repeated meanwhile
				select {
				case p := <-r.out:
					again, err := wire.DecodeRequest(p.Msg.Body)
					if err != nil || again.Leaf.Job != req.Leaf.Job {
						t.Errorf("%v %+v", err, again)
					}
					p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
				default:
					drained = true
				}
			}
		}
		if bytes.Equal(salts[0], salts[1]) {
			t.Error("the same salt for two statements")
		}
		if secret.Salt != nil {
			t.Error("the caller's secret has been changed")
		}
	})
}

// A secret that cannot be sent is an error before anything is sent.
func TestInvalidSecretIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		for name, secret := range map[string]*wire.Secret{
			"no name":     {Env: []string{"=hunter2"}},
			"given twice": {Env: []string{"LANG=hunter2"}},
			"too large":   {Stdin: make([]byte, wire.MaxRequest)},
		} {
			_, err := r.d.Submit(context.Background(), model.Spec{
				Command: "true", Hosts: []string{"a"}, StartTimeout: time.Minute, Secret: secret,
				Run: wire.Run{Command: "true", TimeoutMS: 1000, Env: []string{"LANG=C"}},
			})
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(r.audit) > 0 {
			t.Error("in the audit log")
		}
		r.expectNothing()
	})
}

// Jobs of an ended process are never sent again. The reason mentions the secret.
func TestAdoptedTaskWithSecretIsOnlyAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.store.statement = `{"type":"run","run":{"command":"true","secret_hash":"pZmHqcyNEd/dIFKVyfziZ3wdREyoDmPpyzX/ZfHQG2Q="}}`
		task, jobs := r.leaveTask()
		if ours, err := r.d.Adopt(context.Background(), task); err != nil || !ours {
			t.Fatal(ours, err)
		}
		for stop := time.After(time.Hour); stop != nil; {
			select {
			case p := <-r.out:
				if p.Msg.Type != wire.TypeStatus {
					t.Fatalf("published %s", p.Msg.Type)
				}
				p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
			case <-stop:
				stop = nil
			}
		}
		for _, j := range jobs {
			r.store.mu.Lock()
			got := *r.store.jobs[j.ID]
			r.store.mu.Unlock()
			if got.Outcome != wire.Lost || !strings.Contains(got.Reason, "had its secrets has ended, so it cannot be sent again") {
				t.Errorf("%s: %s %q", j.Host, got.Outcome, got.Reason)
			}
		}
	})
}
