package wire

import (
	"crypto/sha256"
	"reflect"
	"slices"
	"testing"

	"warren/internal/hostname"

	"pgregory.net/rapid"
)

var (
	genText = rapid.StringMatching(`[^\x00]{0,40}`)
	genTime = rapid.Int64Range(1, MaxTime)
	genUUID = rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	genHost = rapid.StringMatching(`[a-z0-9._:-]{1,200}`).Filter(hostname.IsNormal)
	genWord = rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`)
	genEnv  = rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Z_][A-Z0-9_]{0,9}=[^\x00]{0,9}`), 0, 5, envName)
	genData = rapid.SliceOfN(rapid.Byte(), 0, 100)
)

func envName(entry string) string { return entry[:slices.Index([]byte(entry), '=')] }

func genRun(t *rapid.T) *Run {
	r := &Run{
		TimeoutMS: rapid.Int64Range(0, MaxTimeout.Milliseconds()).Draw(t, "timeout"),
		MaxOutput: rapid.Int64Range(0, MaxMaxOutput).Draw(t, "max_output"),
		Cwd:       genText.Draw(t, "cwd"),
		User:      genText.Draw(t, "user"),
		Env:       genEnv.Draw(t, "env"),
		Stdin:     genData.Draw(t, "stdin"),

		KillLeftovers: rapid.Bool().Draw(t, "kill_leftovers"),
	}
	switch rapid.IntRange(0, 2).Draw(t, "what") {
	case 0:
		r.Command, r.Shell = "x"+genText.Draw(t, "command"), genText.Draw(t, "shell")
	case 1:
		r.Argv = append([]string{"x"}, rapid.SliceOfN(genText, 0, 5).Draw(t, "argv")...)
	case 2:
		r.Script, r.Shell = append(genData.Draw(t, "script"), 0), genText.Draw(t, "shell")
		r.Argv = rapid.SliceOfN(genText, 0, 5).Draw(t, "argv")
	}
	return r
}

func genStatement(t *rapid.T) Statement {
	validity := func(label string) (issued, notAfter int64) {
		issued = genTime.Draw(t, label)
		return issued, rapid.Int64Range(issued, MaxTime).Draw(t, label)
	}
	st := Statement{
		Type:    rapid.SampledFrom([]string{TypeRun, TypeCheck, TypeRights, TypeCancel, TypeStatus}).Draw(t, "type"),
		Task:    genUUID.Draw(t, "task"),
		ReplyTo: ReplyQueue(genWord.Draw(t, "user"), genWord.Draw(t, "random")),
	}
	st.IssuedAt, st.NotAfter = validity("validity")
	if st.Type == TypeRun || st.Type == TypeCheck {
		st.Run = genRun(t)
	} else if st.Type != TypeRights {
		st.Of = new(Target)
		st.Of.IssuedAt, st.Of.NotAfter = validity("of")
	}
	return st
}

// emptied makes empty slices nil, as decoding does.
func emptied(st Statement) Statement {
	if st.Run != nil {
		r := *st.Run
		for _, s := range []*[]string{&r.Argv, &r.Env} {
			if len(*s) == 0 {
				*s = nil
			}
		}
		for _, s := range []*[]byte{&r.Script, &r.Stdin} {
			if len(*s) == 0 {
				*s = nil
			}
		}
		st.Run = &r
	}
	return st
}

func TestRequestsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := genStatement(t)
		hosts := rapid.SliceOfNDistinct(genHost, 1, 9, rapid.ID).Draw(t, "hosts")
		jobs := rapid.SliceOfNDistinct(genUUID, len(hosts), len(hosts), rapid.ID).Draw(t, "jobs")
		leaves := make([]Leaf, len(hosts))
		for i := range leaves {
			leaves[i] = Leaf{Job: jobs[i], Host: hosts[i], Index: i}
		}
		b, err := NewBatch(st, leaves, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range leaves {
			r, err := DecodeRequest(b.Body(i))
			if err != nil {
				t.Fatal(err)
			}
			want := emptied(st)
			want.Root, want.Size = r.Statement.Root, len(leaves)
			if !reflect.DeepEqual(r.Statement, want) || r.Leaf != leaves[i] || r.Digest != sha256.Sum256(b.Body(i)) {
				t.Fatalf("%+v\n%+v", r.Statement, want)
			}
			if err := r.Agrees(st.Type, leaves[i].Job, st.ReplyTo); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A leaf of one batch does not verify with the statement of another.
func TestLeafDoesNotVerifyUnderAnotherStatement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(t, "n")
		one, err := NewBatch(sampleStatement(TypeRun), sampleLeaves(n), nil)
		if err != nil {
			t.Fatal(err)
		}
		leaves := sampleLeaves(n)
		i := rapid.IntRange(0, n-1).Draw(t, "i")
		leaves[i].Host = "evil"
		other, err := NewBatch(sampleStatement(TypeRun), leaves, nil)
		if err != nil {
			t.Fatal(err)
		}
		mixed := other.appendTail(slices.Clone(one.prefix), i)
		if _, err := DecodeRequest(mixed); err == nil {
			t.Fatal("a foreign leaf passes")
		}
		one.leaves[i].Host = "evil"
		if _, err := DecodeRequest(one.Body(i)); err == nil {
			t.Fatal("a changed leaf passes")
		}
	})
}

func genStream(t *rapid.T, label string) *Stream {
	switch rapid.IntRange(0, 2).Draw(t, label) {
	case 0:
		return nil
	case 1:
		data := genData.Draw(t, label)
		if len(data) == 0 {
			data = nil
		}
		return &Stream{Size: int64(len(data)), Data: data}
	}
	size := rapid.Int64Range(0, MaxSize).Draw(t, label)
	return &Stream{Size: size, Dropped: rapid.Int64Range(0, size).Draw(t, label), Gone: rapid.Bool().Draw(t, label)}
}

func TestEndedRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &Ended{
			V: 1, Job: genUUID.Draw(t, "job"), Agent: genHost.Draw(t, "agent"),
			Outcome:    rapid.SampledFrom(AgentOutcomes).Draw(t, "outcome"),
			Reason:     rapid.String().Draw(t, "reason"),
			AcceptedAt: rapid.Int64Range(0, MaxTime).Draw(t, "accepted"),
			EndedAt:    genTime.Draw(t, "ended"),
			Stdout:     genStream(t, "stdout"), Stderr: genStream(t, "stderr"),
		}
		if e.StartedAt = rapid.Int64Range(0, MaxTime).Draw(t, "started"); e.StartedAt != 0 {
			e.Killed = rapid.IntRange(0, MaxCount).Draw(t, "killed")
			e.Left = rapid.IntRange(0, MaxCount).Draw(t, "left")
		}
		switch e.Outcome {
		case Exited:
			code := rapid.Int64Range(MinExitCode, MaxExitCode).Draw(t, "code")
			c := int(code)
			e.ExitCode = &c
		case Signaled:
			e.Signal = rapid.StringMatching(`SIG[A-Z0-9+-]{1,29}`).Draw(t, "signal")
		case Rejected:
			e.Request = rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "request")
		}
		typ, body, err := EncodeReply(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeReply(typ, body, nil, e.Job)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Fatalf("%v\n%+v\n%+v", err, got, e)
		}
	})
}
