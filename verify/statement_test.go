package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The certificate of an erasure that reached into a database of the organisation is printed store by store
// and field by field. The file is there for the other verifier too.
func TestACertificateIsPrintedStoreByStoreAndFieldByField(t *testing.T) {
	body, err := os.ReadFile(filepath.Join("testdata", "erasure.body.json"))
	if err != nil {
		t.Fatal(err)
	}
	digest, err := BodyDigest(body)
	if err != nil {
		t.Fatal(err)
	}
	s := newShadow(t, "probity.test/log/1", 1)
	entry := fmt.Sprintf(`{"body_sha256":%q}`, digest)
	s.add(t, "notice.published", `{"id":"privacy","version":1}`)
	done := s.add(t, "erasure.done", entry)
	certificate, err := NewCertificate(body, s.signer, s.key, s.receipt(t, done, entry))
	if err != nil {
		t.Fatal(err)
	}
	file := encode(t, certificate)
	report, err := File(file)
	if err != nil || len(report.Statements) != 1 {
		t.Fatalf("%d statements, %v", len(report.Statements), err)
	}
	got := report.Statements[0].String()
	for name, content := range map[string]string{"erasure.json": string(file) + "\n", "erasure.statement.txt": got} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if content != string(want) {
			t.Errorf("%s is\n%s\nwant\n%s", name, content, want)
		}
	}
	for line := range strings.Lines(got) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > terminal {
			t.Errorf("a line has %d characters: %s", n, line)
		}
	}
}

func TestAStatementOfAnotherShapeIsPrintedAsFarAsItGoes(t *testing.T) {
	for body, want := range map[string]string{
		`{"type":"erasure","stores":[1,"x",null,{"store":"keys","did":"destroyed","counts":[7,{"what":"a\u001b[2Jb","n":"3"}]}],"kept":"all","fields":{},"databases":{"fields":[[]],"unreachable":[2]}}`: "a [2Jb",
		`{"type":"rectification","decisions":["It stands."]}`: "It stands.",
		`{"type":"rectification"}`:                            "rectification",
	} {
		v, err := parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := statement(v).String(); !strings.Contains(got, want) || strings.ContainsRune(got, '\x1b') {
			t.Errorf("%s is printed as\n%s", body, got)
		}
	}
	for _, body := range []string{`{}`, `{"kind":"erasure","stores":[]}`, `{"type":7}`} {
		v, err := parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if s := statement(v); s != nil {
			t.Errorf("%s states %+v", body, s)
		}
	}
}
