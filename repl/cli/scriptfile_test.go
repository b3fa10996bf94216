package cli

import (
	"strings"
	"testing"

	"warren/internal/hint"
)

func TestPrepareScript(t *testing.T) {
	const mark, wide = "\ufeff", "\xff\xfee\x00c\x00"
	for _, tt := range []struct{ name, shell, data, want, problem string }{
		{"x.sh", "", "#!/bin/sh\necho\r\n", "#!/bin/sh\necho\r\n", ""},
		{"x.sh", "", mark + "#!/bin/sh\n", "#!/bin/sh\n", ""},
		{"x.sh", "", "echo \xff", "echo \xff", ""},
		{"x", "", "\x7fELF\x00\x00", "\x7fELF\x00\x00", ""},
		{"x.exe", "", "MZ\x00\x00", "MZ\x00\x00", ""},
		{"x.run", "", "#!/bin/sh\nexit\n\x00\x1f\x8b", "#!/bin/sh\nexit\n\x00\x1f\x8b", ""},
		{"x.pyz", "", "#!/usr/bin/python3\nPK\x03\x04", "#!/usr/bin/python3\nPK\x03\x04", ""},
		{"x.pyz", "python3", "PK\x03\x04", "PK\x03\x04", ""},
		{"x.ps1", "", mark + "echo 主", mark + "echo 主", ""},
		{"x.PS1", "", wide, wide, ""},
		{"x", `C:\PowerShell\7\PWSH.exe`, wide, wide, ""},
		{"x.sh", "", "", "", "is empty"},
		{"x.sh", "", mark, "", "is empty"},
		{"x.sh", "bash", mark, "", "is empty"},
		{"x.sh", "", wide, "", "UTF-16"},
		{"x.sh", "bash", "\xfe\xff\x00e", "", "UTF-16"},
		{"x.tgz", "", "\x1f\x8b\x08", "", "a gzip file"},
		{"x.zip", "", "PK\x03\x04", "", "a zip file"},
		{"x.xz", "", "\xfd7zXZ\x00", "", "an xz file"},
		{"x.zst", "", "\x28\xb5\x2f\xfd", "", "a zstd file"},
		{"x.bz2", "", "BZh9", "", "a bzip2 file"},
		{"x.dat", "", "a\x00b\n", "", "neither a script nor a program"},
	} {
		got, note, err := PrepareScript(tt.name, tt.shell, []byte(tt.data))
		if tt.problem != "" {
			if err == nil || !strings.Contains(hint.Text(err), tt.problem) || !strings.Contains(hint.Text(err), "hint: ") {
				t.Errorf("%s %s %q: %v; want %s", tt.name, tt.shell, tt.data, err, tt.problem)
			}
			continue
		}
		if string(got) != tt.want || err != nil || (note != "") != (tt.want != tt.data) {
			t.Errorf("%s %s %q: %q, %q, %v", tt.name, tt.shell, tt.data, got, note, err)
		}
	}
}
