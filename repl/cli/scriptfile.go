package cli

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"warren/internal/textfile"
)

// PrepareScript returns the bytes to send for a file that hosts execute as a script.
// It drops a byte order mark, behind which the kernel would not see "#!", and says so in
// note. All other bytes stay unchanged. A file that no host could execute is an error,
// unless shell names an interpreter, which may know better.
func PrepareScript(name, shell string, data []byte) (script []byte, note string, err error) {
	if readsMarks(name, shell) {
		return data, "", nil
	}
	if rest, ok := bytes.CutPrefix(data, []byte(textfile.BOM)); ok {
		data, note = rest, "--script "+name+": the byte order mark at its beginning is not sent"
	}
	switch {
	case len(data) == 0:
		return nil, "", Usage("name a file with commands, or a program", "--script %s: the file is empty", name)
	case textfile.IsUTF16(data):
		return nil, "", Usage("save the file as UTF-8; in PowerShell: Set-Content -Encoding utf8", "--script %s: the file is UTF-16, which shells do not read", name)
	case shell != "":
		return data, note, nil
	}
	if kind := archive(data); kind != "" {
		return nil, "", Usage("unpack it and send its content, or let the hosts download it; --shell names an interpreter that reads it", "--script %s: the file is %s, which cannot be executed", name, kind)
	}
	return data, note, nil
}

// ScriptShell returns the shell that a script needs by the extension of its name, or ""
// for the hosts' own. Windows has no other sign of PowerShell.
func ScriptShell(name string) string {
	if strings.EqualFold(filepath.Ext(name), ".ps1") {
		return "powershell"
	}
	return ""
}

// readsMarks reports whether a script is PowerShell's, which reads UTF-16, and takes
// a file without a byte order mark for one in the host's code page.
func readsMarks(name, shell string) bool {
	base := strings.ToLower(shell[strings.LastIndexAny(shell, `/\`)+1:])
	return slices.Contains([]string{"powershell", "pwsh"}, strings.TrimSuffix(base, ".exe")) ||
		strings.EqualFold(filepath.Ext(name), ".ps1")
}

// archive says what a file is that holds other files, or bytes that are neither a
// script nor a program; "" for what may be executed.
func archive(data []byte) string {
	for magic, kind := range map[string]string{
		"\x1f\x8b": "a gzip file", "PK\x03\x04": "a zip file", "BZh": "a bzip2 file", "\xfd7zXZ\x00": "an xz file", "\x28\xb5\x2f\xfd": "a zstd file",
	} {
		if bytes.HasPrefix(data, []byte(magic)) {
			return kind
		}
	}
	for _, magic := range []string{"\x7fELF", "MZ", "\xca\xfe\xba\xbe", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xfe\xed\xfa\xcf", "\xfe\xed\xfa\xce", "#!"} {
		if bytes.HasPrefix(data, []byte(magic)) {
			return "" // a host of its kind executes it
		}
	}
	line, _, _ := bytes.Cut(data[:min(len(data), 512)], []byte("\n"))
	if bytes.IndexByte(line, 0) >= 0 {
		return "neither a script nor a program"
	}
	return ""
}
