package process

import (
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	kernel32                = windows.NewLazySystemDLL("kernel32.dll")
	procGetOEMCP            = kernel32.NewProc("GetOEMCP")
	procWideCharToMultiByte = kernel32.NewProc("WideCharToMultiByte")
)

// CodePage returns the code page in which console programs read and print: the system's
// OEM code page, because each command has a console of its own
// (https://learn.microsoft.com/windows/console/console-code-pages).
func CodePage() int {
	page, _, _ := procGetOEMCP.Call()
	return int(page)
}

// toCodePage encodes text in CodePage. It returns errNoCharacter instead of replacing a
// character.
func toCodePage(text string) ([]byte, error) {
	const noBestFit = 0x400 // WC_NO_BEST_FIT_CHARS
	page := CodePage()
	wide := utf16.Encode([]rune(text))
	if page == 65001 || len(wide) == 0 {
		return []byte(text), nil
	}
	var replaced int32
	encode := func(out []byte) (int, error) {
		n, _, err := procWideCharToMultiByte.Call(uintptr(page), noBestFit,
			uintptr(unsafe.Pointer(&wide[0])), uintptr(len(wide)),
			uintptr(unsafe.Pointer(unsafe.SliceData(out))), uintptr(len(out)),
			0, uintptr(unsafe.Pointer(&replaced)))
		if n == 0 {
			return 0, err
		}
		return int(n), nil
	}
	size, err := encode(nil)
	if err != nil {
		return nil, err
	}
	out := make([]byte, size)
	if _, err := encode(out); err != nil {
		return nil, err
	}
	if replaced != 0 {
		return nil, errNoCharacter
	}
	return out, nil
}
