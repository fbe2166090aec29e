package store

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"strings"
)

// portableSchema rewrites a migration written for PostgreSQL for SQLite: it maps the types of the
// portable subset and makes every table STRICT, so that a type outside of the subset is refused
// instead of silently accepted. A comment /* WITHOUT ROWID */ right after the closing parenthesis of
// CREATE TABLE makes SQLite store the rows in the primary key's tree: half the pages to write for
// small rows found by a binary key. Comments, strings and quoted names stay as they are.
func portableSchema(src string) string {
	var (
		out   strings.Builder
		depth int  // of parentheses
		words int  // words seen in the statement, up to 3
		table bool // the statement is CREATE TABLE
	)
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case strings.HasPrefix(src[i:], "--"):
			i += copyTo(&out, src[i:], "\n", 2)
		case strings.HasPrefix(src[i:], "/*"):
			i += copyTo(&out, src[i:], "*/", 2)
		case c == '\'' || c == '"':
			i += copyTo(&out, src[i:], string(c), 1)
		case c == '(':
			depth++
			out.WriteByte(c)
			i++
		case c == ')':
			depth--
			out.WriteByte(c)
			i++
			if depth == 0 && table {
				table = false
				out.WriteString(" STRICT")
				if rest := strings.TrimLeft(src[i:], " \t\r\n"); strings.HasPrefix(rest, "/* WITHOUT ROWID */") {
					out.WriteString(", WITHOUT ROWID")
				}
			}
		case c == ';':
			words, table = 0, false
			out.WriteByte(c)
			i++
		case isWord(c):
			end := i
			for end < len(src) && isWord(src[end]) {
				end++
			}
			word := src[i:end]
			upper := strings.ToUpper(word)
			if words++; words == 1 && upper != "CREATE" {
				words = 3
			} else if words == 2 && upper == "TABLE" {
				table = true
			}
			if upper == "DOUBLE" {
				rest := strings.TrimLeft(src[end:], " \t")
				if len(rest) >= 9 && strings.EqualFold(rest[:9], "PRECISION") {
					end = len(src) - len(rest) + 9
				}
			}
			if mapped, ok := sqliteType(upper); ok {
				word = mapped
			}
			out.WriteString(word)
			i = end
		default:
			out.WriteByte(c)
			i++
		}
	}
	return out.String()
}

// sqliteType returns what a type of the portable subset is called in a STRICT table.
func sqliteType(upper string) (string, bool) {
	switch upper {
	case "BYTEA":
		return "BLOB", true
	case "BIGINT", "SMALLINT", "BOOLEAN":
		return "INTEGER", true
	case "JSONB":
		return "TEXT", true
	case "DOUBLE":
		return "REAL", true
	}
	return "", false
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// copyTo copies src up to and with the end mark, which is looked for after the first skip bytes, and
// returns how far that was.
func copyTo(out *strings.Builder, src, end string, skip int) int {
	n := len(src)
	if i := strings.Index(src[skip:], end); i >= 0 {
		n = skip + i + len(end)
	}
	out.WriteString(src[:n])
	return n
}

// sqliteFS shows the migrations of a room with their types mapped for SQLite.
type sqliteFS struct{ fs.FS }

// Open opens a file; the content of .sql files is rewritten.
func (f sqliteFS) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || path.Ext(name) != ".sql" {
		return file, err
	}
	src, err := io.ReadAll(file)
	if err != nil {
		_ = file.Close() // the first error is the one to report
		return nil, err
	}
	return &mappedFile{File: file, Reader: bytes.NewReader([]byte(portableSchema(string(src))))}, nil
}

// mappedFile is a file whose content was replaced.
type mappedFile struct {
	fs.File
	*bytes.Reader
}

// Read reads the replaced content.
func (m *mappedFile) Read(p []byte) (int, error) { return m.Reader.Read(p) }

// Stat describes the original, with the size of the replaced content.
func (m *mappedFile) Stat() (fs.FileInfo, error) {
	info, err := m.File.Stat()
	if err != nil {
		return nil, err
	}
	return mappedInfo{info, m.Reader.Size()}, nil
}

type mappedInfo struct {
	fs.FileInfo
	size int64
}

// Size returns the length of the replaced content.
func (i mappedInfo) Size() int64 { return i.size }
