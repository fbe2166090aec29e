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
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/redact"
)

type packageInput struct {
	Request    uuid.UUID
	Type       Type
	Received   time.Time
	Made       time.Time
	Controller Controller
	Recipients []Recipient // who are told of changes
	Sections   []Section
	Matched    bool
	Language   string // of the page; one that there are no words for becomes English
	Who        Who    // the person as the request named them
	Subjects   []id.Subject
	Own        []identifier   // what is known to be the person's own: it is not masked
	Shared     []SharedRow    // rows of databases that belong to others too
	Missing    []string       // collections of databases that nothing led to
	Rules      []*redact.Rule // what the organisation wants masked besides
	Before     []time.Time    // when earlier copies were made for the person
}

// manifest lists every file of a package with its hash, so that the person can tell whether the
// copy is whole. It does not list itself.
type manifest struct {
	Format       string         `json:"format"`
	Request      uuid.UUID      `json:"request_id"`
	Type         Type           `json:"type"`
	Article      string         `json:"article"`
	Organisation string         `json:"organisation"`
	Language     string         `json:"language"`
	Received     string         `json:"received_at"`
	Created      string         `json:"created"`
	Copy         int            `json:"copy"` // 1 for the first one, which is free (Art. 15(3), 12(5))
	Subject      manifestWho    `json:"subject"`
	Files        []manifestFile `json:"files"`
	Masked       int            `json:"masked_of_others"` // e-mail addresses and phone numbers of others in texts
	Shared       []SharedRow    `json:"shared"`
	Missing      []string       `json:"unreachable"`
	Information  *information   `json:"article15,omitempty"`
}

// manifestWho is whom the package is about: what the request named, and the references of the devices
// that were found.
type manifestWho struct {
	Who
	Devices []id.Subject `json:"devices"`
}

type manifestFile struct {
	Path    string `json:"path"`
	Title   string `json:"title"`
	About   string `json:"about"`
	Store   string `json:"store"`
	Basis   string `json:"basis"`
	Origin  string `json:"origin"`
	Records int64  `json:"records"`
	Bytes   int    `json:"bytes"`
	SHA256  string `json:"sha256"`
	Schema  string `json:"schema,omitempty"` // path of the JSON Schema, in a portability package
}

// builder writes one package.
type builder struct {
	packageInput
	words  words
	titles labels // of purposes
	out    bytes.Buffer
	zip    *zip.Writer
	m      manifest
	mask   *strangers
	shown  []shownSection
}

// buildPackage makes the ZIP: one JSON file for each section and a CSV file where the section is a
// list, index.html for people, manifest.json for machines; in a portability package a JSON Schema for
// each file. Files lie flat and are called store!what.json, as readers of Genesys Cloud exports
// expect. The same input gives the same bytes. It tells how much of others was masked.
func buildPackage(in packageInput) ([]byte, int, error) {
	b := &builder{packageInput: in}
	b.Language, b.words = wordsOf(in.Language)
	b.zip = zip.NewWriter(&b.out)
	var err error
	if b.mask, err = newStrangers(in.Own, in.Rules); err != nil {
		return nil, 0, err
	}
	b.mask.meet(in.Sections)
	b.titles = labels{}
	for _, p := range in.Controller.Purposes {
		if text, ok := b.purposeText(p); ok {
			b.titles[p.ID] = text.Title
		}
	}
	b.m = manifest{
		Format: "probity/package/v2", Request: in.Request, Type: in.Type, Article: articles[in.Type], Organisation: in.Controller.Name,
		Language: b.Language, Received: stamp(in.Received), Created: stamp(in.Made), Copy: len(in.Before) + 1,
		Subject: manifestWho{in.Who, append([]id.Subject{}, in.Subjects...)}, Files: []manifestFile{},
		Shared: append([]SharedRow{}, in.Shared...), Missing: append([]string{}, in.Missing...),
	}
	b.m.Subject.Who.Subjects = nil
	for i := range in.Sections {
		if err := b.section(&in.Sections[i]); err != nil {
			return nil, 0, fmt.Errorf("write %s: %w", in.Sections[i].File, err)
		}
	}
	if in.Type == Access {
		b.m.Information = b.information()
	}
	page, err := b.page()
	if err != nil {
		return nil, 0, err
	}
	err = b.add(manifestFile{
		Path: "index.html", Title: b.words.text("page.first"), About: b.words.text("page.all"), Store: "rights", Basis: "legal_obligation", Origin: MadeForThis,
	}, page)
	if err != nil {
		return nil, 0, err
	}
	b.m.Masked = b.mask.n
	text, err := json.MarshalIndent(b.m, "", "  ")
	if err != nil {
		return nil, 0, err
	}
	if err := b.write("manifest.json", text); err != nil {
		return nil, 0, err
	}
	if err := b.zip.Close(); err != nil {
		return nil, 0, err
	}
	return b.out.Bytes(), b.mask.n, nil
}

// section writes the files of one section.
func (b *builder) section(s *Section) error {
	store, _, _ := strings.Cut(s.File, "/")
	f := manifestFile{Store: store, Origin: s.Origin, Basis: b.basis(s)}
	f.Title, f.About = b.words.section(s)
	switch {
	case f.Origin != "":
	case s.Provided:
		f.Origin = Observed
	default:
		f.Origin = Derived
	}
	shown := shownSection{Section: *s, Title: f.Title, About: f.About}
	shown.Origin = f.Origin
	for _, e := range s.Each {
		f.Path, f.Records = s.File+"!"+e.Name+".json", 1
		data, err := b.json(s, e.Data)
		if err != nil {
			return err
		}
		if err := b.add(f, data); err != nil {
			return err
		}
		shown.Files, shown.Records = append(shown.Files, f.Path), shown.Records+1
	}
	if s.Each == nil {
		data, err := b.json(s, s.Data)
		if err != nil {
			return err
		}
		name := strings.ReplaceAll(s.File, "/", "!")
		f.Path, f.Records = name+".json", records(s.Data)
		shown.Files, shown.Records = []string{f.Path}, f.Records
		if b.Type == Portability {
			f.Schema = name + ".schema.json"
		}
		if err := b.add(f, data); err != nil {
			return err
		}
		if !s.FileOnly {
			sheet, err := sheetOf(data)
			if err != nil {
				return err
			}
			if sheet != nil {
				f.Path, f.Schema = name+".csv", ""
				if err := b.add(f, sheet); err != nil {
					return err
				}
				shown.Files = append(shown.Files, f.Path)
			}
			own, purposes := labelsOf(b.Language), b.titles
			if s.Rows {
				own, purposes = nil, nil // a column of the organisation's database is called as it is
			}
			if shown.Tree, err = readTree(data, b.words, own, purposes); err != nil {
				return err
			}
		}
		if b.Type == Portability {
			schema, err := schemaOf(f.Title, f.About, s.Data)
			if err != nil {
				return err
			}
			f.Path, f.Schema, f.Origin, f.Records = name+".schema.json", "", MadeForThis, 1
			if err := b.add(f, schema); err != nil {
				return err
			}
			shown.Files = append(shown.Files, f.Path)
		}
	}
	b.shown = append(b.shown, shown)
	return nil
}

// json writes the data with what it tells of others masked.
func (b *builder) json(s *Section, data any) ([]byte, error) {
	text, err := json.MarshalIndent(data, "", "  ")
	if err != nil || s.FileOnly {
		return text, err
	}
	return b.mask.hide(text, s.Rows)
}

// basis names what a section's data is held on.
func (b *builder) basis(s *Section) string {
	if s.Basis != "" {
		return s.Basis
	}
	return basisOf(b.Controller.Purposes, s.Purpose)
}

// basisOf returns the basis of the purpose, or that of all purposes if there is none of that name.
func basisOf(purposes []Purpose, id string) string {
	var all []string
	for _, p := range purposes {
		if p.ID == id && p.Basis != "" {
			return p.Basis
		}
		if p.Basis != "" && !slices.Contains(all, p.Basis) {
			all = append(all, p.Basis)
		}
	}
	if len(all) == 0 {
		return "consent" // what holds for every purpose that no other basis was declared for
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// add writes a file and lists it.
func (b *builder) add(f manifestFile, data []byte) error {
	sum := sha256.Sum256(data)
	f.Bytes, f.SHA256 = len(data), hex.EncodeToString(sum[:])
	b.m.Files = append(b.m.Files, f)
	return b.write(f.Path, data)
}

func (b *builder) write(name string, data []byte) error {
	w, err := b.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: b.Made.UTC().Truncate(2 * time.Second)})
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
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
	Title, About string // in the language of the page
	Files        []string
	Records      int64
	Tree         *tree // nil: the page names the files only
}

type shownPackage struct {
	*builder
	Sections     []shownSection
	Information  *information
	Listed       []manifestFile // the files of the sections
	MaskedOthers int
}

// page writes index.html.
func (b *builder) page() ([]byte, error) {
	page, err := template.New("package").Funcs(template.FuncMap{"t": b.words.text, "day": b.words.moment}).Parse(packageHTML)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = page.Execute(io.Writer(&out), shownPackage{b, b.shown, b.m.Information, b.m.Files, b.mask.n})
	return out.Bytes(), err
}
