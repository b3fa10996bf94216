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

func TestLongCellDoesNotMakeOtherRowsLong(t *testing.T) {
	rows := [][]string{{"HOST", "COMMAND", "USER"}, {"web01", strings.Repeat("x", 1<<20), "root"}, {"web02", "true", "root"}}
	lines := Align(rows)
	if want := "web02  true" + strings.Repeat(" ", widestColumn-4+2) + "root"; lines[2] != want {
		t.Errorf("a row of %d bytes, want %d", len(lines[2]), len(want))
	}
	if !strings.HasSuffix(lines[1], "x  root") {
		t.Errorf("the long row ends with %q", lines[1][len(lines[1])-20:])
	}
}
