package journal

import "fmt"

// found is the result of the replay of a file.
type found struct {
	header header
	seed   uint32 // the header's sum
	end    int64  // offset after the last whole frame
	synced int64  // up to here the file says that it is on the disk
	marked bool   // the last frame is a mark, and everything before it is on the disk
	torn   int64  // bytes after end, up to the last that is not zero
	size   int64  // of the file
}

// replay reads the file and calls yield with each record in order. The bytes are valid during the
// call. It changes nothing.
func replay(path string, f file, yield func(record []byte) error) (found, error) {
	size, err := f.Size()
	if err != nil {
		return found{}, explain(path, "replay", err)
	}
	damaged := func(offset int64, format string, args ...any) error {
		return &DamagedError{Path: path, Offset: offset, Reason: fmt.Sprintf(format, args...)}
	}
	if size < headerSize {
		return found{}, damaged(0, "it has %d bytes, its header alone %d", size, headerSize)
	}
	w := &window{f: f, size: size}
	b, err := w.at(0, headerSize)
	if err != nil {
		return found{}, explain(path, "replay", err)
	}
	h, seed, ok := decodeHeader(b)
	switch {
	case !ok:
		return found{}, damaged(0, "its header is broken, or not a journal's")
	case h.version != version:
		return found{}, damaged(int64(len(magic)), "it has format version %d, this program knows version %d", h.version, version)
	}
	r := found{header: h, seed: seed, end: headerSize, size: size}
	for {
		record, f, err := r.next(w)
		if err != nil {
			return found{}, explain(path, "replay", err)
		}
		if record == nil {
			break
		}
		if f.kind == kindRecord {
			if err := yield(record[:f.length]); err != nil {
				return found{}, fmt.Errorf("journal %s: the record at byte %d: %w", path, r.end, err)
			}
		}
		r.marked = f.kind == kindMark && f.synced == r.end
		r.synced = max(r.synced, f.synced)
		r.end += f.size()
	}
	claim, err := r.search(w)
	if err != nil {
		return found{}, explain(path, "replay", err)
	}
	if claim >= 0 {
		return found{}, damaged(r.end, "it is broken here, and the frame at byte %d says that it was whole", claim)
	}
	return r, nil
}

// next reads the frame at r.end. The record, with padding, is nil if there is no whole frame.
func (r *found) next(w *window) (record []byte, f frame, err error) {
	if r.size-r.end < frameHead {
		return nil, frame{}, nil
	}
	b, err := w.at(r.end, frameHead)
	if err != nil {
		return nil, frame{}, err
	}
	f, ok := decodeFrame(b, r.seed, r.end)
	if !ok || r.size-r.end < f.size() {
		return nil, frame{}, nil
	}
	if b, err = w.at(r.end, int(f.size())); err != nil {
		return nil, frame{}, err
	}
	if b = b[frameHead:]; !f.holds(b, r.seed) {
		return nil, frame{}, nil
	}
	return b, f, nil
}

// search searches the file after the last whole frame. It returns the offset of a frame that says
// that more than r.end was synced, or -1, and sets r.torn.
func (r *found) search(w *window) (claim int64, err error) {
	for at := r.end; at < r.size; at += alignment {
		n := int(min(frameHead, r.size-at))
		b, err := w.at(at, n)
		if err != nil {
			return 0, err
		}
		for i := range min(alignment, n) {
			if b[i] != 0 {
				r.torn = at + int64(i) + 1 - r.end
			}
		}
		if n < frameHead {
			continue
		}
		if f, ok := decodeFrame(b, r.seed, at); ok && f.synced > r.end {
			return at, nil
		}
	}
	return -1, nil
}
