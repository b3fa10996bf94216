package facts

import "golang.org/x/sys/windows"

// CodePage returns the code page of console programs whose output is a pipe: the
// console's, or without a console the system's OEM code page
// (https://learn.microsoft.com/windows/win32/intl/code-pages).
func CodePage() int {
	if page, err := windows.GetConsoleOutputCP(); err == nil && page != 0 {
		return int(page)
	}
	page, _, _ := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetOEMCP").Call()
	return int(page)
}
