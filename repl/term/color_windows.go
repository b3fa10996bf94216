package term

import (
	"os"

	"golang.org/x/sys/windows"
)

// TakesColors enables escape sequences in the console, which supports them since
// Windows 10
// (https://learn.microsoft.com/windows/console/console-virtual-terminal-sequences).
func TakesColors() bool {
	console := windows.Handle(os.Stdout.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
