package datamap

import (
	"bufio"
	"encoding/json"
	"io"
)

// object writes a JSON object field by field, so that a long list in it is never in memory as text. The
// first error is kept, and end returns it.
type object struct {
	w     *bufio.Writer
	err   error
	begun bool
}

func newObject(w io.Writer) *object {
	o := &object{w: bufio.NewWriterSize(w, 64<<10)}
	o.w.WriteByte('{')
	return o
}

func (o *object) name(name string) {
	if o.begun {
		o.w.WriteByte(',')
	}
	o.begun = true
	o.value(name)
	o.w.WriteByte(':')
}

func (o *object) value(v any) {
	raw, err := json.Marshal(v)
	if err != nil && o.err == nil {
		o.err = err
	}
	o.w.Write(raw)
}

func (o *object) field(name string, v any) {
	o.name(name)
	o.value(v)
}

// list writes a list entry by entry.
func list[T any](o *object, name string, entries []T) {
	o.name(name)
	o.w.WriteByte('[')
	for i := range entries {
		if i > 0 {
			o.w.WriteByte(',')
		}
		o.value(&entries[i])
	}
	o.w.WriteByte(']')
}

// lines writes a list of which each line of the spool is an entry.
func (o *object) lines(name string, s *spool) {
	o.name(name)
	o.w.WriteByte('[')
	first := true
	err := s.each(func(line []byte) error {
		if !first {
			o.w.WriteByte(',')
		}
		first = false
		_, err := o.w.Write(line)
		return err
	})
	if err != nil && o.err == nil {
		o.err = err
	}
	o.w.WriteByte(']')
}

// end closes the object. Whatever could not be written before makes the last write fail too.
func (o *object) end() error {
	o.w.WriteByte('}')
	if err := o.w.Flush(); o.err == nil {
		o.err = err
	}
	return o.err
}
