package rights

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
)

type packageInput struct {
	Request    uuid.UUID
	Type       Type
	Received   time.Time
	Made       time.Time
	Controller Controller
	Sections   []Section
	Matched    bool
}

// manifest lists every file of a package with its hash, so that the person can tell whether the
// copy is whole.
type manifest struct {
	Format       string         `json:"format"`
	Request      uuid.UUID      `json:"request"`
	Type         Type           `json:"type"`
	Organisation string         `json:"organisation"`
	Received     string         `json:"received_at"`
	Made         string         `json:"made_at"`
	Files        []manifestFile `json:"files"`
}

type manifestFile struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	About   string `json:"about"`
	Records int64  `json:"records"`
	Bytes   int    `json:"bytes"`
	SHA256  string `json:"sha256"`
}

// buildPackage makes the ZIP: one JSON file for each section, index.html for people, manifest.json
// for machines. Files lie flat and are called store!what.json, as readers of Genesys Cloud exports
// expect. The same input gives the same bytes.
func buildPackage(in packageInput) ([]byte, error) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	m := manifest{
		Format: "probity/package/v1", Request: in.Request, Type: in.Type, Organisation: in.Controller.Name,
		Received: stamp(in.Received), Made: stamp(in.Made), Files: []manifestFile{},
	}
	add := func(name string, data []byte) error {
		w, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: in.Made.UTC().Truncate(2 * time.Second)})
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}
	var shown []shownSection
	for _, s := range in.Sections {
		data, err := json.MarshalIndent(s.Data, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", s.File, err)
		}
		name := strings.ReplaceAll(s.File, "/", "!") + ".json"
		if err := add(name, data); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		m.Files = append(m.Files, manifestFile{name, s.Title, s.About, records(s.Data), len(data), hex.EncodeToString(sum[:])})
		tree, err := readTree(data)
		if err != nil {
			return nil, err
		}
		shown = append(shown, shownSection{Section: s, Name: name, Records: records(s.Data), Tree: tree})
	}
	page, err := indexPage(in, shown)
	if err != nil {
		return nil, err
	}
	if err := add("index.html", page); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(page)
	m.Files = append(m.Files, manifestFile{"index.html", "Read this first", "Everything in this file, in words.", 0, len(page), hex.EncodeToString(sum[:])})
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := add("manifest.json", text); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// records counts what a section holds: the elements of a list, otherwise one.
func records(data any) int64 {
	v := reflect.ValueOf(data)
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return 0
		}
		v = v.Elem()
	}
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return int64(v.Len())
	}
	if !v.IsValid() {
		return 0
	}
	return 1
}

//go:embed package.html
var packageHTML string

type shownSection struct {
	Section
	Name    string
	Records int64
	Tree    *tree
}

type shownPackage struct {
	packageInput
	Sections []shownSection
	Access   bool
}

func indexPage(in packageInput, sections []shownSection) ([]byte, error) {
	page, err := template.New("package").Funcs(template.FuncMap{
		"day": func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
	}).Parse(packageHTML)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = page.Execute(&out, shownPackage{packageInput: in, Sections: sections, Access: in.Type == Access})
	return out.Bytes(), err
}
