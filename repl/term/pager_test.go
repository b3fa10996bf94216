package term

import (
	"slices"
	"testing"
)

func TestSplitPager(t *testing.T) {
	for _, tt := range []struct {
		goos, text string
		want       []string
	}{
		{"linux", `less -R`, []string{"less", "-R"}},
		{"linux", `"/opt/a b/less" -P\ x`, []string{"/opt/a b/less", "-P x"}},
		{"windows", `less -R`, []string{"less", "-R"}},
		{"windows", `C:\tools\less.exe`, []string{`C:\tools\less.exe`}},
		{"windows", `C:\Program Files\Git\usr\bin\less.EXE -R -S`, []string{`C:\Program Files\Git\usr\bin\less.EXE`, "-R", "-S"}},
		{"windows", `"C:\Program Files\Git\usr\bin\less.exe" -R`, []string{`C:\Program Files\Git\usr\bin\less.exe`, "-R"}},
		{"windows", `C:\tools\most`, []string{`C:\tools\most`}},
		{"windows", ``, nil},
	} {
		words, err := splitPager(tt.goos, tt.text)
		if err != nil || !slices.Equal(words, tt.want) {
			t.Errorf("%s: %s is %q, want %q; %v", tt.goos, tt.text, words, tt.want, err)
		}
	}
}
