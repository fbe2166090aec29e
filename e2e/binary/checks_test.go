package binary

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var updateChecks = flag.Bool("update", false, "renew the tests named in docs/consent-checks.md")

const checksFile = "../../docs/consent-checks.md"

var (
	checkTest = regexp.MustCompile(`(?m)^func (Test((?:[BSGTWFL][0-9]+(?:To[BSGTWFL][0-9]+)?_)+)\w*)\(`)
	checkRow  = regexp.MustCompile(`^\| ([BSGTWFL][0-9]+) \| ([^|]+) \| ([^|]*) \|$`)
)

// checksOf returns the numbers of the checks that a test is named after: "B1_B2_" and "B21ToB26_".
func checksOf(prefix string) (ids []string) {
	for _, part := range strings.Split(strings.TrimSuffix(prefix, "_"), "_") {
		first, last, ranged := strings.Cut(part, "To")
		if !ranged {
			ids = append(ids, first)
			continue
		}
		from, _ := strconv.Atoi(first[1:])
		to, _ := strconv.Atoi(last[1:])
		for n := from; n <= to; n++ {
			ids = append(ids, first[:1]+strconv.Itoa(n))
		}
	}
	return ids
}

// checkTests returns the tests that are named after a check, by its number, with their folder.
func checkTests(t *testing.T) map[string][]string {
	t.Helper()
	tests := map[string][]string{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, m := range checkTest.FindAllStringSubmatch(string(text), -1) {
			for _, id := range checksOf(m[2]) {
				tests[id] = append(tests[id], filepath.ToSlash(folder)+": "+m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range tests {
		slices.Sort(list)
	}
	return tests
}

func TestChecksOfConsentEachHaveATestOrAReason(t *testing.T) {
	data, err := os.ReadFile(checksFile)
	if err != nil {
		t.Fatal(err)
	}
	tests := checkTests(t)
	lines := strings.Split(string(data), "\n")
	seen := 0
	for i, line := range lines {
		m := checkRow.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		seen++
		id, what, have := m[1], m[2], strings.TrimSpace(m[3])
		want := strings.Join(tests[id], "<br>")
		for _, mark := range []string{"Not automated: ", "Open: "} {
			if _, reason, ok := strings.Cut(have, mark); ok {
				want = strings.TrimPrefix(want+"<br>"+mark+reason, "<br>")
			}
		}
		if *updateChecks {
			lines[i] = "| " + id + " | " + what + " | " + want + " |"
			have = want
		}
		switch {
		case have == "":
			t.Errorf("%s (%s) has neither a test nor a reason why there is none", id, what)
		case have != want:
			t.Errorf("%s: the document names other tests than there are; run: go test ./e2e/binary -run Checks -update", id)
		}
	}
	if seen != 111 {
		t.Errorf("there are %d checks, want 111", seen)
	}
	if *updateChecks {
		if err := os.WriteFile(checksFile, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
