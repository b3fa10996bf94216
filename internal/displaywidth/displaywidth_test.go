package displaywidth

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWriteTableAlignsWideCharacters(t *testing.T) {
	var b strings.Builder
	if err := WriteTable(&b, [][]string{{"主机", "状态"}, {"web01", "完成"}, {"", "x"}}); err != nil {
		t.Fatal(err)
	}
	if want := "主机   状态\nweb01  完成\n       x\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
