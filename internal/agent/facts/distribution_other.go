//go:build !linux

package facts

import "github.com/shirou/gopsutil/v4/host"

// distribution returns the product and its version, such as "Microsoft Windows 11 Pro"
// or "darwin".
func distribution() (name, version string) {
	name, _, version, err := host.PlatformInformation()
	if err != nil {
		return "", ""
	}
	return name, version
}
