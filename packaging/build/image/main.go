// Command image writes a container image with one program on an empty file system, as an
// OCI layout in a tar file:
//
//	image -name warren -version 1.0.0 -out FILE.tar amd64=PROGRAM arm64=PROGRAM
//
// The file depends on its arguments, the programs and SOURCE_DATE_EPOCH only.
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	var i image
	flag.StringVar(&i.name, "name", "", "name of the program")
	flag.StringVar(&i.version, "version", "", "version of the program")
	out := flag.String("out", "", "tar file to write")
	flag.Parse()
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err == nil {
		i.date = time.Unix(seconds, 0).UTC()
		err = i.write(*out, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

type image struct {
	name, version string
	date          time.Time
}

// write writes the image for all architectures.
func (i *image) write(out string, programs []string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arg := range programs {
		arch, program, _ := strings.Cut(arg, "=")
		one, err := i.forArch(arch, program)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: one, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	annotations := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": i.version})
	if err := root.AppendIndex(index, annotations); err != nil {
		return err
	}
	return i.pack(out, dir)
}

// forArch returns the image for one architecture.
func (i *image) forArch(arch, program string) (v1.Image, error) {
	files, err := i.files(program)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	one, err := mutate.Append(base, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: i.date}, CreatedBy: "COPY " + i.name}})
	if err != nil {
		return nil, err
	}
	config, err := one.ConfigFile()
	if err != nil {
		return nil, err
	}
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: i.date}
	config.Config = v1.Config{
		Entrypoint: []string{"/usr/bin/" + i.name}, Env: []string{"PATH=/usr/bin", "HOME=/root"}, WorkingDir: "/root",
		Labels: map[string]string{"org.opencontainers.image.version": i.version, "org.opencontainers.image.licenses": "MIT"},
	}
	return mutate.ConfigFile(one, config)
}

// files returns the file system of the image as a tar file: the program and the
// directories that it writes to.
func (i *image) files(program string) ([]byte, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, dir := range []struct {
		name string
		mode int64
	}{{"etc/", 0o755}, {"etc/warren/", 0o755}, {"root/", 0o700}, {"tmp/", 0o1777}, {"usr/", 0o755}, {"usr/bin/", 0o755}, {"var/", 0o755}, {"var/lib/", 0o755}} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir.name, Mode: dir.mode, ModTime: i.date}); err != nil {
			return nil, err
		}
	}
	if err := i.add(w, "usr/bin/"+i.name, text, 0o755); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

func (i *image) add(w *tar.Writer, name string, text []byte, mode int64) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: mode, ModTime: i.date}); err != nil {
		return err
	}
	_, err := w.Write(text)
	return err
}

// pack writes the files of a directory into a tar file, in the order of their names.
func (i *image) pack(out, dir string) error {
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer file.Close()
	w := tar.NewWriter(file)
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		return i.add(w, path.Clean(filepath.ToSlash(name)), text, 0o644)
	})
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = file.Close()
	}
	return err
}
