package part

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
)

// Serve says that the part is ready, with what others must know of it, and carries
// out orders until in ends. Those that Serve does not know go to do.
func Serve(in io.Reader, out io.Writer, known Known, do func(Order) (Answer, error)) error {
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	var p profile
	defer func() { _ = p.end() }()
	if err := answers.Encode(Answer{Known: known}); err != nil {
		return err
	}
	for {
		var o Order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var a Answer
		var err error
		switch o.Do {
		case Usage:
			a.Used, err = Self()
		case Fresh:
			err = fresh()
		case Profile:
			err = p.change(o.File)
		default:
			a, err = do(o)
		}
		if err != nil {
			a.Err = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

// A profile is one that is being written.
type profile struct{ cpu *os.File }

func (p *profile) change(file string) error {
	if err := p.end(); err != nil || file == "" {
		return err
	}
	f, err := os.Create(file + ".cpu.pprof")
	if err != nil {
		return err
	}
	p.cpu = f
	return pprof.StartCPUProfile(f)
}

// end writes what the profile has, and beside it the memory in use.
func (p *profile) end() error {
	if p.cpu == nil {
		return nil
	}
	pprof.StopCPUProfile()
	name := p.cpu.Name()
	err := p.cpu.Close()
	p.cpu = nil
	heap, e := os.Create(name[:len(name)-len(".cpu.pprof")] + ".heap.pprof")
	if e != nil {
		return errors.Join(err, e)
	}
	runtime.GC()
	return errors.Join(err, pprof.Lookup("allocs").WriteTo(heap, 0), heap.Close())
}

// Refuse is the answer to an order that a part does not know.
func Refuse(o Order) (Answer, error) { return Answer{}, fmt.Errorf("no such order %q", o.Do) }
