package result

import "testing"

func TestExitCodesOfWindowsAreHexadecimal(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		0: "0", 3: "3", 255: "255", -1: "-1", 1<<32 - 1: "4294967295", -1073741819: "0xC0000005 (STATUS_ACCESS_VIOLATION)",
		0xC0000005: "0xC0000005 (STATUS_ACCESS_VIOLATION)", -2147024891: "0x80070005", 70000: "70000",
	} {
		if got := exitText(code); got != want {
			t.Errorf("%d: %s, want %s", code, got, want)
		}
	}
}
