package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"warren/internal/hostname"

	"github.com/go-json-experiment/json/jsontext"
)

func correlationOf(v any) string {
	if _, _, job := v.(reply).head(); job != nil {
		return *job
	}
	return sampleTask
}

func encodeSample(t testing.TB, name string) (typ, body, correlationID string) {
	t.Helper()
	v := sampleReplies()[name]
	typ, b, err := EncodeReply(v)
	if err != nil {
		t.Fatal(name, err)
	}
	return typ, string(b), correlationOf(v)
}

func TestRepliesRoundTrip(t *testing.T) {
	for name, v := range sampleReplies() {
		typ, body, correlationID := encodeSample(t, name)
		got, err := DecodeReply(typ, []byte(body), nil, correlationID)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, got, v)
		}
	}
}

func TestDecodeReplyNamesTheMember(t *testing.T) {
	data := base64.StdEncoding.EncodeToString(make([]byte, MaxInline-2))
	for _, c := range []struct{ name, old, new, want string }{
		{"accepted", `"v":1,`, ``, `v is missing`},
		{"accepted", `"job":"0b`, `"job":"1b`, `job differs`},
		{"accepted", `"job":"0b1c2d3e-4f50-4a6b-8c7d-000000000000",`, ``, `job is missing`},
		{"accepted", `"agent":"web01"`, `"agent":"WEB01"`, `agent is not a host name`},
		{"accepted", `"agent":"web01"`, `"agent":"web01","agent":"web02"`, `"agent" is repeated`},
		{"accepted", `"agent":"web01"`, `"Agent":"web01"`, `"Agent" is not a member here`},
		{"accepted", `"agent":"web01"`, `"agent":null`, `agent is null`},
		{"accepted", `"at":1767225600100`, `"at":0`, `at is out of range`},
		{"accepted", `"at":1767225600100`, `"at":253402300800000`, `at is out of range`},
		{"accepted", `,"at":1767225600100`, ``, `at is missing`},
		{"started", `"at":`, `"at":-`, `at is out of range`},
		{"started", `"at":`, `"pid":1,"at":`, `"pid" is not a member here`},
		{"started", `"code_page":`, `"code_page":-`, `code_page is out of range`},

		{"transfer", `"wanted":900,`, ``, `wanted is missing`},
		{"transfer", `"wanted":900`, `"wanted":0`, `wanted is out of range`},
		{"transfer", `"wanted":900`, `"wanted":9007199254740992`, `wanted is out of range`},
		{"transfer", `"received":300`, `"received":901`, `received is out of range`},
		{"transfer", `"received":300`, `"received":-1`, `received is out of range`},
		{"transfer", `"received":300`, `"received":0`, `received is empty`},

		{"ended", `"outcome":"exited"`, `"outcome":"unreachable"`, `outcome is not one`},
		{"ended", `"outcome":"exited"`, `"outcome":"lost"`, `outcome is not one`},
		{"ended", `"outcome":"exited"`, `"outcome":"Exited"`, `outcome is not one`},
		{"ended", `"outcome":"exited"`, `"outcome":""`, `outcome is not one`},
		{"ended", `"outcome":"exited"`, `"outcome":"signaled"`, `exit_code does not belong`},
		{"ended", `"exit_code":0,`, ``, `exit_code is missing`},
		{"ended", `"exit_code":0`, `"exit_code":4294967296`, `exit_code is out of range`},
		{"ended", `"exit_code":0`, `"exit_code":-2147483649`, `exit_code is out of range`},
		{"ended", `"exit_code":0`, `"exit_code":null`, `exit_code is null`},
		{"ended", `"exit_code":0`, `"exit_code":0,"signal":"SIGHUP"`, `signal does not belong`},
		{"ended", `"exit_code":0`, `"exit_code":0,"request":"` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"`, `request does not belong`},
		{"ended", `by the book`, strings.Repeat("x", MaxReason+1), `reason has 1025`},
		{"ended", `"reason":"by the book"`, `"reason":""`, `reason is empty`},
		{"ended", `"ended_at"`, `"Ended_at"`, `"Ended_at" is not a member here`},
		{"ended", `"accepted_at":1`, `"accepted_at":-1`, `accepted_at is out of range`},
		{"ended", `"started_at":1767225600101`, `"started_at":0`, `started_at is empty`},
		{"ended", `"killed":3`, `"killed":-3`, `killed is out of range`},
		{"ended", `"killed":3`, `"killed":2147483648`, `killed is out of range`},
		{"ended", `"killed":3`, `"killed":0`, `killed is empty`},
		{"ended", `"killed":3`, `"killed":"3"`, `killed is not an integer`},
		{"ended", `"killed":3`, `"killed":null`, `killed is null`},
		{"ended", `"left":1`, `"left":-1`, `left is out of range`},
		{"ended", `"left":1`, `"left":2147483648`, `left is out of range`},
		{"ended", `"left":1`, `"left":0`, `left is empty`},
		{"ended", `"left":1`, `"left":1.5`, `left is not an integer`},
		{"ended", `"left":1`, `"left":1,"left":1`, `"left" is repeated`},
		{"ended", `"started_at":1767225600101,`, ``, `killed does not belong to a job that never began`},
		{"ended", `"started_at":1767225600101,"ended_at":1767225600102,"killed":3`, `"ended_at":1767225600102`, `left does not belong to a job that never began`},
		{"ended", `"size":3`, `"size":4`, `stdout.data has 3 bytes`},
		{"ended", `"size":3`, `"size":-3`, `stdout.size is out of range`},
		{"ended", `"size":3`, `"size":9007199254740992`, `stdout.size is out of range`},
		{"ended", `"size":3`, `"size":3,"dropped":1`, `stdout.data does not belong`},
		{"ended", `"size":3`, `"size":3,"gone":true`, `stdout.data does not belong`},
		{"ended", `"size":3`, `"size":3,"gone":false`, `stdout.gone is empty`},
		{"ended", `"size":3`, `"size":3,"gone":1`, `stdout.gone is not a boolean`},
		{"ended", `"size":3,`, ``, `stdout.size is missing`},
		{"ended", `"data":"b2sK"`, `"data":"b2s*"`, `stdout.data is not standard base64`},
		{"ended", `"data":"b2sK"`, `"data":"b2sK\n"`, `stdout.data is not standard base64`},
		{"ended", `"dropped":800`, `"dropped":901`, `stderr.dropped is out of range`},
		{"ended", `"dropped":800`, `"dropped":-1`, `stderr.dropped is out of range`},
		{"ended", `{"size":900,"dropped":800,"gone":true}`, `{"size":16382,"data":"` + data + `"}`, `stdout.data and stderr.data have 16385 bytes`},
		{"ended", `"code_page":936`, `"code_page":0`, `code_page is empty`},
		{"ended", `"code_page":936`, `"code_page":-1`, `code_page is out of range`},
		{"ended", `"code_page":936`, `"code_page":"936"`, `code_page is not an integer`},
		{"ended", `"code_page":936`, `"code_page":null`, `code_page is null`},
		{"signaled", `"signal":"SIGRTMIN+3",`, ``, `signal is missing`},
		{"signaled", `SIGRTMIN+3`, `killed`, `signal is not`},
		{"signaled", `SIGRTMIN+3`, `SIG`, `signal is not`},
		{"signaled", `SIGRTMIN+3`, `SIGkill`, `signal is not`},
		{"signaled", `SIGRTMIN+3`, `SIG` + strings.Repeat("A", MaxSignal), `signal is not`},
		{"rejected", `,"request":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="`, ``, `request is missing`},
		{"rejected", `47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=`, `AAAA`, `request has 3 bytes`},

		{"state", `"state":"running"`, `"state":"ended"`, `state is not one`},
		{"state", `"state":"running"`, `"state":"unknown"`, `state is unknown, yet`},
		{"state", `"state":"running"`, `"state":"forgotten"`, `state is forgotten, yet`},
		{"state", `"accepted_at":1`, `"accepted_at":-1`, `accepted_at is out of range`},
		{"checked", `"would_run":true,`, ``, `would_run is missing`},
		{"state", `"canceling":true`, `"reason":"x"`, `reason belongs to forgotten, not to running`},
		{"forgotten", `"state":"forgotten"`, `"state":"unknown"`, `since belongs to forgotten, not to unknown`},
		{"forgotten", `a newcomer`, strings.Repeat("x", MaxReason+1), `reason has 1025`},
		{"forgotten", `"reason":"a newcomer"`, `"reason":""`, `reason is empty`},
		{"checked", `"would_run":true`, `"would_run":false`, `reason is missing`},
		{"checked", `"would_run":true`, `"would_run":true,"reason":"x"`, `reason does not belong`},
		{"checked", `"cwd":"/"`, `"cwd":"` + strings.Repeat("x", MaxFileName+1) + `"`, `cwd has 4097`},
		{"checked", `["/bin/sh","-c","uname -a"]`, `[` + strings.Repeat(`"",`, MaxCheckedArgs) + `""]`, `argv has 4105`},
		{"refused", `"reason":"no such user",`, ``, `reason is missing`},
		{"refused", `"would_run":false`, `"would_run":0`, `would_run is not a boolean`},

		{"granted", `"state":"valid"`, `"state":"good"`, `state is not one`},
		{"granted", `"state":"valid"`, `"state":"revoked"`, `rule does not belong`},
		{"granted", `"rule":"ops:2 (help desk)",`, ``, `rule is missing`},
		{"granted", `"confined":true,`, ``, `confined is missing`},
		{"granted", `["df( -h)?","uptime"]`, `[]`, `commands is empty`},
		{"granted", `["df( -h)?","uptime"]`, `[` + strings.Repeat(`"",`, MaxGrants) + `""]`, `commands has 1025 entries`},
		{"granted", `"LANG"`, `"` + strings.Repeat("x", MaxGrant+1) + `"`, `env[0] has 4097`},
		{"granted", `"expires":1`, `"expires":-1`, `expires is out of range`},
		{"granted", `"max_validity_ms":86400000`, `"max_validity_ms":-1`, `max_validity_ms is out of range`},
		{"granted", `"max_output":1048576`, `"max_output":-1`, `max_output is out of range`},
		{"granted", `"omitted":3`, `"omitted":-3`, `omitted is out of range`},
		{"granted anything", `"rule":`, `"commands":["df"],"rule":`, `confined is missing`},
		{"granted anything", `"rule":`, `"confined":true,"rule":`, `commands is missing`},
		{"granted anything", `"rule":`, `"shell":true,"rule":`, `confined is missing`},
		{"revoked", `"state":"revoked"`, `"state":"revoked","any_job":true`, `yet rights are listed`},
		{"revoked", `"state":"revoked"`, `"state":"revoked","user":"root"`, `yet rights are listed`},
		{"revoked", `"state":"revoked"`, `"state":"revoked","env":["PATH"]`, `yet rights are listed`},

		{"hello", `"names":["web01",`, `"names":[`, `names does not begin`},
		{"hello", `"10.0.0.7"`, `"web01"`, `names[1] is repeated`},
		{"hello", `"10.0.0.7"`, `"10.0.0.7/24"`, `names[1] is repeated or not`},
		{"hello", `"10.0.0.7"`, `"a` + strings.Repeat(`","a`, MaxNames) + `"`, `names has 67`},
		{"hello", `"running":1`, `"running":-1`, `running is out of range`},
		{"hello", `"queued":2`, `"queued":2147483648`, `queued is out of range`},
		{"hello", `,"workers":4`, ``, `workers is missing`},
		{"hello", `"ready_at":1`, `"ready_at":-1`, `ready_at is out of range`},
		{"hello", `"disk":"read_only"`, `"disk":"sick"`, `disk is "sick"`},
		{"hello", `"disk":"read_only"`, `"disk":""`, `disk is empty`},
		{"hello", `"labels":{"a":"1","b":""}`, `"labels":{}`, `facts.labels is empty`},
		{"hello", `"labels":{"a":"1","b":""}`, `"labels":{"a":"1","a":""}`, `facts.labels."a" is repeated`},
		{"hello", `"labels":{"a":"1","b":""}`, `"labels":{"a":"1","\u0061":"1"}`, `facts.labels."a" is repeated`},
		{"hello", `"labels":{"a":"1","b":""}`, `"labels":{"":"1"}`, `facts.labels has one without a name`},
		{"hello", `"labels":{"a":"1","b":""}`, `"labels":{"a":null}`, `facts.labels is null`},
		{"hello", `"labels":{"a":"1","b":""}`, `"labels":{"a":{"b":1}}`, `facts.labels is not a string`},
		{"hello", `"labels":{"a":"1"`, `"labels":{"a":"` + strings.Repeat("x", MaxFact+1) + `"`, `facts.labels has 257`},
		{"hello", `"os":"linux"`, `"os":"` + strings.Repeat("x", MaxFact+1) + `"`, `facts.os has 257`},
		{"hello", `"os":"linux",`, ``, `facts.os is missing`},
		{"hello", `"facts":{`, `"facts":{"uptime":1,`, `facts."uptime" is not a member here`},
		{"hello", `"cpus":8`, `"cpus":0`, `facts.cpus is empty`},
		{"hello", `"code_page":936`, `"code_page":-1`, `facts.code_page is out of range`},
		{"hello", `"cpus":8`, `"cpus":-8`, `facts.cpus is out of range`},
		{"hello", `"cpus":8`, `"cpus":"8"`, `facts.cpus is not an integer`},
		{"hello", `"memory":17179869184`, `"memory":9007199254740992`, `facts.memory is out of range`},
		{"hello", `"memory":17179869184`, `"memory":null`, `facts.memory is null`},
		{"hello", `"kernel":"6.1.0-37-arm64"`, `"kernel":""`, `facts.kernel is empty`},
		{"hello", `"kernel":"6.1.0-37-arm64"`, `"kernel":"` + strings.Repeat("x", MaxFact+1) + `"`, `facts.kernel has 257`},
		{"hello", `"fd00::7"`, `"fd00::07"`, `facts.addresses[1] is not an IP address`},
		{"hello", `"fd00::7"`, `"fd00::7%eth0"`, `facts.addresses[1] is not an IP address`},
		{"hello", `"fd00::7"`, `"web01"`, `facts.addresses[1] is not an IP address`},
		{"hello", `"fd00::7"`, `"` + strings.Repeat(`fd00::7","`, MaxAddresses) + `fd00::7"`, `facts.addresses has 66`},
		{"hello", `"booted_at":`, `"booted_at":-`, `facts.booted_at is out of range`},
		{"hello", `"file":"revoked_operators"`, `"file":"authorized_operators"`, `refused_files[1].file is named twice`},
		{"hello", `"file":"revoked_operators"`, `"file":"groups.yaml"`, `refused_files[1].file is neither`},
		{"hello", `"problem":"line"`, `"problem":"lines"`, `refused_files[1].problem is not one of the five`},
		{"hello", `"problem":"line"`, `"problem":"unreadable"`, `refused_files[1].line does not belong`},
		{"hello", `"problem":"line"`, `"problem":"missing"`, `refused_files[1].line does not belong`},
		{"hello", `,"line":3`, ``, `refused_files[1].line is missing`},
		{"hello", `"line":3`, `"line":-3`, `refused_files[1].line is out of range`},
		{"hello", `"line":3`, `"line":2147483648`, `refused_files[1].line is out of range`},
		{"hello", `"reason":"a reason"`, `"reason":"` + strings.Repeat("x", MaxReason+1) + `"`, `refused_files[1].reason has 1025`},
		{"hello", `"mode":509`, `"mode":4096`, `refused_files[0].mode is out of range`},
		{"hello", `"mode":509`, `"mode":-1`, `refused_files[0].mode is out of range`},
		{"hello", `"path":"/etc/warren",`, ``, `refused_files[0].path is missing`},
		{"hello", `"path":"/etc/warren",`, `"path":"",`, `refused_files[0].path is empty`},
		{"hello", `"path":"/etc/warren",`, `"path":"` + strings.Repeat("x", MaxFileName+1) + `",`, `refused_files[0].path has 4097`},
		{"hello", `"path":"/etc/warren",`, `"path":"/etc/warren","owner":"me",`, `refused_files[0]."owner" is not a member here`},
		{"hello of another's file", `"uid":1000`, `"uid":4294967296`, `refused_files[0].uid is out of range`},
		{"hello of another's file", `,"uid":1000`, ``, `refused_files[0].uid is missing`},
		{"hello of another's file", `"refused_files":[{`, `"refused_files":[],"x":[{`, `refused_files is empty`},
	} {
		typ, body, correlationID := encodeSample(t, c.name)
		_, err := DecodeReply(typ, []byte(edit(t, body, c.old, c.new)), nil, correlationID)
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.60s → %.60s: %v; want %s", c.name, c.old, c.new, err, c.want)
		}
	}
}

func TestDecodeReplyKinds(t *testing.T) {
	typ, body, id := encodeSample(t, "accepted")
	for what, c := range map[string]struct {
		typ, body, id string
		want          error
	}{
		"version":          {typ, strings.Replace(body, `"v":1`, `"v":2`, 1), id, ErrVersion},
		"future":           {typ, `{"v":3,"x":null}`, id, ErrVersion},
		"no type":          {"", body, id, ErrType},
		"request's type":   {"run", body, id, ErrType},
		"another case":     {"Accepted", body, id, ErrType},
		"another type":     {TypeHello, body, id, ErrMalformed},
		"another job":      {typ, body, sampleJob(1), ErrMalformed},
		"no correlation":   {typ, body, "", ErrMalformed},
		"hello of no task": {TypeHello, body, "", ErrMalformed},
		"empty":            {typ, "", id, ErrMalformed},
		"deep":             {typ, strings.Repeat(`{"v":`, 20_000), id, ErrMalformed},
		"large":            {typ, body + strings.Repeat(" ", MaxReply), id, ErrTooLarge},
		"trailing":         {typ, body + body, id, ErrMalformed},
	} {
		if _, err := DecodeReply(c.typ, []byte(c.body), nil, c.id); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := DecodeReply(typ, []byte(body+strings.Repeat(" ", MaxReply-len(body))), nil, id); err != nil {
		t.Errorf("with blanks up to the limit: %v", err)
	}
	for n := range body {
		if _, err := DecodeReply(typ, []byte(body[:n]), nil, id); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

func TestDecodeOutput(t *testing.T) {
	for _, offset := range []any{int8(7), int16(7), int32(7), int64(7), 7, uint8(7), uint16(7), uint32(7), uint64(7)} {
		headers := map[string]any{HeaderStream: Stderr, HeaderOffset: offset, "x-other": nil}
		v, err := DecodeReply(TypeOutput, []byte("\x00\xff"), headers, sampleJob(0))
		want := &Output{Job: sampleJob(0), Stream: Stderr, Offset: 7, Data: []byte("\x00\xff")}
		if err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("%T: %+v, %v", offset, v, err)
		}
	}
	full := make([]byte, MaxChunk)
	for _, c := range []struct {
		stream, offset any
		body           []byte
		want           error
		text           string
	}{
		{Stdout, int64(0), full, nil, ""},
		{Stdout, int64(0), make([]byte, MaxChunk+1), ErrTooLarge, "output of 32769 bytes"},
		{Stdout, int64(0), nil, ErrMalformed, "empty"},
		{"Stdout", int64(0), full, ErrMalformed, "header stream"},
		{[]byte("stdout"), int64(0), full, ErrMalformed, "header stream"},
		{nil, int64(0), full, ErrMalformed, "header stream"},
		{Stdout, nil, full, ErrMalformed, "header offset"},
		{Stdout, "0", full, ErrMalformed, "header offset"},
		{Stdout, 1.0, full, ErrMalformed, "header offset"},
		{Stdout, int32(-1), full, ErrMalformed, "header offset"},
		{Stdout, int64(MaxSize), full, ErrMalformed, "header offset"},
		{Stdout, uint64(1 << 63), full, ErrMalformed, "header offset"},
	} {
		_, err := DecodeReply(TypeOutput, c.body, map[string]any{HeaderStream: c.stream, HeaderOffset: c.offset}, sampleJob(0))
		if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%v %v, %d bytes: %v", c.stream, c.offset, len(c.body), err)
		}
	}
	if _, err := DecodeReply(TypeOutput, full, nil, sampleJob(0)); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestEncodeReplyShortensTexts(t *testing.T) {
	in := &Ended{
		Job: sampleJob(0), Agent: "web01", Outcome: FailedToStart, EndedAt: 1,
		Reason: "open /\xff: " + strings.Repeat("目录", MaxReason),
	}
	typ, body, err := EncodeReply(in)
	if err != nil {
		t.Fatal(err)
	}
	v, err := DecodeReply(typ, body, nil, sampleJob(0))
	if err != nil {
		t.Fatal(err)
	}
	reason := v.(*Ended).Reason
	if len(reason) > MaxReason || len(reason) < MaxReason-6 || !utf8.ValidString(reason) || !strings.HasSuffix(reason, "录…") && !strings.HasSuffix(reason, "目…") {
		t.Errorf("%d bytes, %q", len(reason), reason)
	}
	if in.V != 0 || !strings.HasPrefix(in.Reason, "open /\xff") {
		t.Error("the argument was changed")
	}

	large := &Checked{Job: sampleJob(0), Agent: "web01", WouldRun: true, Argv: []string{strings.Repeat("x", MaxReply)}, Cwd: "/\xff", At: 1}
	typ, body, err = EncodeReply(large)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := DecodeReply(typ, body, nil, sampleJob(0)); err != nil || v.(*Checked).Argv != nil || large.Argv == nil || large.Cwd != "/\xff" {
		t.Errorf("%v %+v", err, v)
	}
}

// Rights that do not fit into a reply are omitted whole, and counted.
func TestEncodeReplyOmitsRightsWithoutRoom(t *testing.T) {
	grant := func(commands ...string) *Granted {
		return &Granted{Job: sampleJob(0), Agent: "web01", State: GrantValid, Rule: "ops:1", Confined: true, Commands: commands, RunAs: []string{"deploy"}, At: 1}
	}
	long := strings.Repeat("x", MaxGrant)
	for name, c := range map[string]struct {
		in      *Granted
		kept    int
		omitted int
	}{
		"all fit":          {grant("a", "b", long), 3, 0},
		"one is too long":  {grant("a", long+"y"), 1, 1},
		"all are too long": {grant(long + "y"), 0, 1},
		"too many":         {grant(slices.Repeat([]string{"a"}, MaxGrants+7)...), MaxGrants, 7},
		"too much":         {grant(slices.Repeat([]string{long}, 100)...), 25, 75},
	} {
		typ, body, err := EncodeReply(c.in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		v, err := DecodeReply(typ, body, nil, sampleJob(0))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if g := v.(*Granted); len(g.Commands) != c.kept || g.Omitted != c.omitted || len(g.RunAs) != 1 {
			t.Errorf("%s: %d commands, %d users, %d omitted", name, len(g.Commands), len(g.RunAs), g.Omitted)
		}
		if c.in.Omitted != 0 || len(c.in.Commands) != c.kept+c.omitted {
			t.Errorf("%s: the argument was changed", name)
		}
	}
}

func TestEncodeReplyRefusesInvalidReplies(t *testing.T) {
	for _, c := range []struct {
		v    any
		want error
	}{
		{nil, ErrType},
		{Accepted{}, ErrType},
		{&Output{}, ErrType},
		{&Accepted{}, ErrMalformed},
		{&Ended{Job: sampleJob(0), Agent: "web01", Outcome: Rejected, EndedAt: 1}, ErrMalformed},
		{&Ended{Job: sampleJob(0), Agent: "web01", Outcome: Lost, EndedAt: 1}, ErrMalformed},
		{&Ended{Job: sampleJob(0), Agent: "web01", Outcome: Expired, EndedAt: 1, Stdout: &Stream{Size: 1, Data: make([]byte, MaxInline+1)}}, ErrMalformed},
	} {
		if _, _, err := EncodeReply(c.v); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.v, err)
		}
	}
}

// The largest reply of each type is still sent.
func TestLargestRepliesFitLimit(t *testing.T) {
	worst := strings.Repeat("\x01", MaxReason) // six bytes each in JSON
	hello := sampleReplies()["hello"].(*Hello)
	hello.Names, hello.Facts.Labels = []string{hello.Agent}, map[string]string{}
	for i := 0; CheckNames(hello.Names) == nil; i++ {
		hello.Names = append(hello.Names, strings.Repeat("a", hostname.MaxLength-2)+string([]byte{byte('a' + i/26), byte('a' + i%26)}))
	}
	hello.Names[len(hello.Names)-1] = "2001:db8:1111:2222:3333:4444:5555:1000"
	for i := range 16 {
		hello.Facts.Labels[string(rune('a'+i))] = worst[:40]
	}
	if err := CheckLabels(hello.Facts.Labels); err != nil {
		t.Fatal(err)
	}
	hello.Facts.OS, hello.Facts.Arch, hello.Facts.Version, hello.Facts.Hostname = worst[:MaxFact], worst[:MaxFact], worst[:MaxFact], worst[:MaxFact]
	hello.Facts.Addresses = nil
	for i := range MaxAddresses {
		hello.Facts.Addresses = append(hello.Facts.Addresses, fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:%d", 1000+i))
	}
	hello.Facts.Distribution, hello.Facts.DistributionVersion, hello.Facts.Kernel = worst[:MaxFact], worst[:MaxFact], worst[:MaxFact]
	sum := make([]byte, 32)
	for _, v := range []any{
		hello,
		&Ended{
			Job: sampleJob(0), Agent: strings.Repeat("a", hostname.MaxLength), Outcome: Rejected, Reason: worst, Request: sum, EndedAt: 1,
			Stdout: &Stream{Size: MaxInline, Data: make([]byte, MaxInline)}, Stderr: &Stream{Size: MaxSize, Dropped: MaxSize},
		},
		&Granted{
			Job: sampleJob(0), Agent: "web01", State: GrantValid, Rule: worst, User: worst[:MaxUser], Confined: true,
			Commands: slices.Repeat([]string{strings.Repeat("\x01", MaxGrant)}, MaxGrants), RunAs: slices.Repeat([]string{worst}, MaxGrants), At: 1,
		},
		&Checked{Job: sampleJob(0), Agent: "web01", Reason: worst, Rule: worst, User: worst[:MaxUser], Binary: strings.Repeat("\x01", MaxFileName), Cwd: strings.Repeat("\x01", MaxFileName), At: 1},
	} {
		typ, body, err := EncodeReply(v)
		if err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		if _, err := DecodeReply(typ, body, nil, correlationOf(v)); err != nil {
			t.Errorf("%T: %v", v, err)
		}
		if !jsontext.Value(body).IsValid() {
			t.Errorf("%T is not JSON", v)
		}
	}
}
