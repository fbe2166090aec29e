package api

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"probity/internal/fail"
)

// write answers with JSON.
func (c *call) write(status int, body any) {
	var b bytes.Buffer
	enc := stdjson.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		c.api.Logger.ErrorContext(c.Context(), "an answer could not be written as JSON", "error", err)
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString(`{"message":"Something went wrong on our side.","code":"internal.server.error","status":500}`)
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	c.w.WriteHeader(status)
	// A caller that went away is no fault of ours.
	_, _ = c.w.Write(b.Bytes())
}

// reply answers with JSON and no error.
func (c *call) reply(status int, body any) error {
	c.write(status, body)
	return nil
}

// empty answers without a body.
func (c *call) empty() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// body reads the whole body after checking its media type. Without a Content-Type JSON is assumed.
func (c *call) body(types ...string) ([]byte, error) {
	if h := c.Header.Get("Content-Type"); h != "" {
		mt, _, err := mime.ParseMediaType(h)
		ok := err == nil && (mt == "application/json" || strings.HasSuffix(mt, "+json"))
		for _, t := range types {
			ok = ok || (err == nil && mt == t)
		}
		if !ok {
			return nil, errMediaType
		}
	}
	b, err := readAll(c.Body, c.ContentLength)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		return nil, fail.Wrap(fail.Invalid, err, "The request body could not be read to its end.")
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, fail.New(fail.Invalid, "The request has no body.")
	}
	return b, nil
}

// readAll is io.ReadAll for a body whose length is known as a rule; n is -1 if it is not. The caller
// has bounded both.
func readAll(r io.Reader, n int64) ([]byte, error) {
	if n < 0 {
		return io.ReadAll(r)
	}
	b := make([]byte, n)
	got, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:got], err
}

// decode reads a JSON body into dst. Members that dst does not know are ignored, as clients of
// later versions may send more; invalid UTF-8 and a name that stands twice are refused.
func (c *call) decode(dst any, types ...string) error {
	b, err := c.body(types...)
	if err != nil {
		return err
	}
	return decode(b, dst)
}

func decode(b []byte, dst any) error {
	if err := json.Unmarshal(b, dst); err != nil {
		return malformed(err)
	}
	return nil
}

// malformed says where JSON went wrong without repeating what stood there.
func malformed(err error) error {
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		field := strings.ReplaceAll(strings.TrimPrefix(string(e.JSONPointer), "/"), "/", ".")
		f := fail.Wrap(fail.Invalid, err, "This field has the wrong type.")
		if field == "" {
			f.Message = "The body must be a JSON object of the documented shape."
		}
		f.Field = safeField(field)
		return f
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fail.Wrap(fail.Invalid, err, "The body is not valid JSON: see byte %d.", e.ByteOffset)
	}
	return fail.Wrap(fail.Invalid, err, "The body is not valid JSON.")
}

// safeField keeps field names that look like ours: member names of a map may be anything, even
// somebody's address.
func safeField(f string) string {
	if len(f) > 80 || strings.ContainsFunc(f, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_')
	}) {
		return ""
	}
	return f
}

// pathID reads a UUID from the path. What is none can't be found.
func (c *call) pathID(name string) (uuid.UUID, error) {
	v := c.PathValue(name)
	u, err := uuid.Parse(v)
	if err != nil || len(v) != 36 {
		return uuid.Nil, fail.New(fail.NotFound, "There is nothing with this id.")
	}
	return u, nil
}

// queryInt reads a number from the query. Absent, empty and zero mean the default: some clients
// always send every parameter (W5, W6).
func (c *call) queryInt(name string, byDefault, most int) (int, error) {
	v := c.URL.Query().Get(name)
	if v == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, fail.Field(name, "a whole number is expected")
	}
	if n == 0 {
		return byDefault, nil
	}
	return min(n, most), nil
}

// queryBool reads a truth value from the query; absent and empty mean the default.
func (c *call) queryBool(name string, byDefault bool) (bool, error) {
	v := c.URL.Query().Get(name)
	if v == "" {
		return byDefault, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fail.Field(name, "true or false is expected")
	}
	return b, nil
}

// queryList reads a list from the query, comma-joined or repeated.
func (c *call) queryList(name string) []string {
	var list []string
	for _, v := range c.URL.Query()[name] {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}
