package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"

	"probity/internal/fail"
	"probity/internal/redact"
)

// redactCommand masks personal data in what it reads.
type redactCommand struct {
	Lang  []string `name:"lang" placeholder:"en" help:"Languages of the text: en, de, fr, es, it, nl, pl, pt. Default all."`
	JSON  bool     `name:"json" help:"Print the spans as a JSON array of {start, end, type} instead of the text; offsets count Unicode code points."`
	Lines bool     `name:"jsonl" help:"Read a JSON object {\"text\": …} from each line; print a line for each."`
}

// Run reads standard input to its end.
func (c *redactCommand) Run() error {
	r, err := redact.New(redact.Options{Languages: c.Lang})
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	switch {
	case c.Lines:
		err = c.lines(r, out, os.Stdin)
	case c.JSON:
		err = printSpans(r, out, os.Stdin)
	default:
		err = r.Copy(out, os.Stdin)
	}
	return errors.Join(err, out.Flush())
}

// lines answers each line of in with one line: the spans, or the object with its text masked.
func (c *redactCommand) lines(r *redact.Redactor, out *bufio.Writer, in io.Reader) error {
	reader := bufio.NewReaderSize(in, 64<<10)
	for n := 1; ; n++ {
		line, err := reader.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		last := err != nil
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var object struct {
				Text *string `json:"text"`
			}
			if json.Unmarshal(line, &object) != nil || object.Text == nil {
				return fail.New(fail.Invalid, "line %d is not a JSON object with a string named text", n)
			}
			if c.JSON {
				err = printSpans(r, out, bytes.NewReader([]byte(*object.Text)))
			} else {
				encoder := json.NewEncoder(out)
				encoder.SetEscapeHTML(false)
				err = encoder.Encode(map[string]string{"text": r.Text(*object.Text)})
			}
			if err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}

// printSpans prints one array on one line, as it is found.
func printSpans(r *redact.Redactor, out *bufio.Writer, text io.Reader) error {
	before := "["
	err := r.Runes(text, func(s redact.Span) error {
		b, err := json.Marshal(struct {
			Start int         `json:"start"`
			End   int         `json:"end"`
			Type  redact.Type `json:"type"`
		}{s.Start, s.End, s.Type})
		if err != nil {
			return err
		}
		out.WriteString(before)
		before = ","
		_, err = out.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	if before == "[" {
		out.WriteString("[")
	}
	_, err = out.WriteString("]\n")
	return err
}
