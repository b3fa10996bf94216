package outputlog

import "bytes"

// The bounds of the output that is kept in memory when the disk takes none.
const (
	// SpillPerJob bounds both streams of one job together: enough for df, du, ls and
	// journalctl, which an administrator runs on a full disk.
	SpillPerJob = 1 << 20

	// spillTotal bounds all jobs: enough for as many jobs as a small agent has workers.
	spillTotal = 8 << 20
)

// spill keeps output in memory: the first and the last part of each job's, as
// --max-output does, and the newest of all jobs.
type spill struct {
	last   int64 // number of the newest chunk; the numbers are negative and descend
	oldest int64 // no older chunk is kept
	chunks map[int64][]byte
	total  int64
	jobs   map[string]*spilled // that run
}

// spilled is the bookkeeping of one running job.
type spilled struct {
	why       error   // of the first chunk
	first     int64   // bytes of the first part
	full      bool    // the first part has ended
	tail      []int64 // chunks of the last part, oldest first
	tailBytes int64
}

func newSpill() spill {
	return spill{oldest: -1, chunks: map[int64][]byte{}, jobs: map[string]*spilled{}}
}

// put keeps a chunk that the disk refused, and returns its number.
func (s *spill) put(job string, data []byte, why error) int64 {
	s.last--
	s.chunks[s.last] = bytes.Clone(data)
	s.total += int64(len(data))
	j := s.jobs[job]
	if j == nil {
		j = &spilled{why: why}
		s.jobs[job] = j
	}
	if n := int64(len(data)); !j.full && j.first+n <= SpillPerJob/2 {
		j.first += n
	} else {
		j.full = true
		j.tail = append(j.tail, s.last)
		j.tailBytes += n
	}
	for j.tailBytes > SpillPerJob/2 && len(j.tail) > 1 {
		n := int64(len(s.chunks[j.tail[0]])) // 0: dropped for other jobs
		s.drop(j.tail[0])
		j.tail, j.tailBytes = j.tail[1:], j.tailBytes-n
	}
	for ; s.total > spillTotal && s.oldest > s.last; s.oldest-- {
		s.drop(s.oldest)
	}
	return s.last
}

func (s *spill) drop(number int64) {
	s.total -= int64(len(s.chunks[number]))
	delete(s.chunks, number)
}

// ended returns why some of the job's output is here; nil if none is.
func (s *spill) ended(job string) (why error) {
	if j := s.jobs[job]; j != nil {
		why = j.why
	}
	delete(s.jobs, job)
	return why
}
