package binary

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the pages for people who use or build the program.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "sdk/*.md"} {
		files, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(filepath.Join("..", ".."), f)
			if err != nil {
				t.Fatal(err)
			}
			texts[name] = string(b)
		}
	}
	if texts["README.md"] == "" || texts["docs/verify.md"] == "" {
		t.Fatal("the documents were not found")
	}
	return texts
}

// fenced returns the fenced blocks of a language.
func fenced(text, language string) (blocks []string) {
	for _, block := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

var inline = regexp.MustCompile("`([^`\n]+)`")

// words splits a command line: at spaces, with single quotes, and a comment ends it.
func words(line string) (list []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			list = append(list, part)
			continue
		}
		for _, w := range strings.Fields(part) {
			if strings.HasPrefix(w, "#") {
				return list
			}
			list = append(list, w)
		}
	}
	return list
}

func TestEveryLinkOfTheDocumentsLeadsSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for name, text := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", "..", filepath.Dir(name), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
}

func TestWhatTheDocumentsNameExists(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	help := map[string]string{"": help(t)}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z][a-z-]*(?: [a-z][a-z-]*)*)`).FindAllStringSubmatch(help[""], -1) {
		help[m[1]] = ""
	}
	var all strings.Builder
	for command := range help {
		help[command] = helpOf(t, command)
		all.WriteString(help[command])
	}
	if len(help) < 10 {
		t.Fatalf("the commands were not found in the help: %v", help[""])
	}
	sources := sourcesText(t)
	flag := regexp.MustCompile(`--[a-z][a-z-]+`)
	variable := regexp.MustCompile(`PROBITY_[A-Z][A-Z_]+[A-Z]`)
	for name, text := range documents(t) {
		var code []string
		for _, m := range inline.FindAllStringSubmatch(text, -1) {
			code = append(code, m[1])
		}
		for _, block := range fenced(text, "sh") {
			code = append(code, strings.Split(block, "\n")...)
		}
		for _, line := range code {
			w := words(line)
			if len(w) > 1 && w[0] == "make" && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(w[1])+`:`).Match(makefile) {
				t.Errorf("%s names %q, and the Makefile has no such target", name, line)
			}
			if len(w) > 1 && w[0] == "probity" && !strings.HasPrefix(w[1], "-") {
				if _, ok := help[w[1]]; !ok && (len(w) < 3 || help[w[1]+" "+w[2]] == "") {
					t.Errorf("%s names %q, and there is no such command", name, line)
				}
			}
			for _, f := range flag.FindAllString(line, -1) {
				if w[0] == "git" || w[0] == "go" || w[0] == "npm" || strings.HasPrefix(f, "--probity-") {
					continue // another program's, or a property of a style sheet
				}
				if !strings.Contains(all.String(), f) {
					t.Errorf("%s names the flag %s, and no command has it", name, f)
				}
			}
			for _, v := range variable.FindAllString(line, -1) {
				if !strings.Contains(sources, v) {
					t.Errorf("%s names %s, which nothing reads", name, v)
				}
			}
		}
	}
}

func help(t *testing.T) string { return helpOf(t, "") }

func helpOf(t *testing.T, command string) string {
	t.Helper()
	out, said, err := run(t, nil, "", append(strings.Fields(command), "--help")...)
	if err != nil || out == "" {
		t.Errorf("probity %s --help: %v\n%s", command, err, said)
	}
	return out
}

// sourcesText is all of our Go source.
func sourcesText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"cmd/*/*.go", "internal/*/*.go", "internal/*/*/*.go", "e2e/*/*.go", "sdk/*.go", "verify/*.go"} {
		files, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(b)
		}
	}
	return all.String()
}

// manual carries out what the documents tell to do, with their addresses and files replaced.
type manual struct {
	dir      string
	env      []string // what the documents export
	client   string
	site     string // id of their deployment
	house    *house
	server   *server
	receipt  string
	verifier string
}

func TestTheCommandsOfTheDocumentsWork(t *testing.T) {
	t.Parallel()
	texts := documents(t)
	m := &manual{dir: t.TempDir()}
	m.house = &house{data: filepath.Join(m.dir, "data")}
	// In the order in which they can be done: start, use, and examine what was stopped.
	var stages [3][]string
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for n := range texts {
			if !yield(n) {
				return
			}
		}
	}) {
		var lines []string
		for _, block := range fenced(texts[name], "sh") {
			lines = append(lines, strings.Split(block, "\n")...)
		}
		for _, code := range inline.FindAllStringSubmatch(texts[name], -1) {
			if strings.HasPrefix(code[1], "probity ") {
				lines = append(lines, code[1])
			}
		}
		for _, line := range lines {
			w := words(line)
			switch {
			case len(w) == 0 || w[0] == "make" || w[0] == "git" || w[0] == "go":
			case len(w) > 1 && w[1] == "redact": // its own test gives it an input
			case name == "docs/after-erasure.md": // its own test makes a backup
			case name == "docs/packages.md": // its own test gives it a database
			case len(w) > 1 && w[1] == "datamap": // its own test gives it a database
			case w[0] == "export":
				m.export(w[1])
			case w[0] != "probity":
				t.Errorf("%s tells to run %q, which this test does not know", name, line)
			case w[1] == "serve" && len(w) > 3:
				stages[0] = append(stages[0], line)
			case w[1] == "doctor" || w[1] == "keys" || w[1] == "consent" && slices.Contains(w, "--data"):
				stages[2] = append(stages[2], line)
			default:
				stages[1] = append(stages[1], line)
			}
		}
	}
	if len(stages[0]) != 1 || len(stages[1]) < 5 || len(stages[2]) < 2 {
		t.Fatalf("the commands were not found: %q", stages)
	}
	m.serve(t, words(stages[0][0]))
	m.prepare(t, texts)
	for _, line := range stages[1] {
		t.Run(line, func(t *testing.T) { m.use(t, words(line)[1:]) })
	}
	t.Run("the import without the tool", func(t *testing.T) { m.post(t, texts["docs/import.md"]) })
	m.server.stop(t)
	for _, line := range stages[2] {
		t.Run(line, func(t *testing.T) { m.examine(t, words(line)[1:]) })
	}
}

func (m *manual) export(assignment string) {
	name, value, _ := strings.Cut(assignment, "=")
	switch name {
	case "PROBITY_BOOTSTRAP_CLIENT":
		m.client = value
	case "PROBITY_BOOTSTRAP_DEPLOYMENT":
		m.site = value
	case "PROBITY_CLIENT":
		return // the importer is the bootstrap client here
	}
	m.env = append(m.env, assignment)
}

// serve starts what the README starts, in our directory and on a free port.
func (m *manual) serve(t *testing.T, w []string) {
	t.Helper()
	for i := 2; i < len(w); i += 2 {
		if i+1 == len(w) {
			t.Fatalf("%q is not made of flags with values", w)
		}
		if w[i] != "--data" && w[i] != "--listen" {
			m.house.flags = append(m.house.flags, w[i], w[i+1])
		}
	}
	m.house.env = m.env
	m.server = m.house.start(t)
}

// prepare makes the files that the documents speak of.
func (m *manual) prepare(t *testing.T, texts map[string]string) {
	t.Helper()
	s := m.server
	all := map[string]bool{}
	for _, p := range purposes {
		all[p] = true
	}
	var served struct {
		Nonce string `json:"nonce"`
	}
	s.do(t, "POST", "/probity/v1/consent/served", object(map[string]any{"deployment": m.site, "notice": "privacy", "version": 1, "language": "en"}), "Origin", origin).want(t, 200).into(t, &served)
	c := choice(served.Nonce, all)
	c["deployment"] = m.site
	var chosen struct {
		Visitor string          `json:"visitor"`
		Receipt json.RawMessage `json:"receipt"`
	}
	s.do(t, "POST", "/probity/v1/consent/choices", object(c), "Origin", origin).want(t, 201).into(t, &chosen)
	m.receipt = filepath.Join(m.dir, "receipt.json")
	m.write(t, "receipt.json", string(chosen.Receipt))
	m.write(t, "bundle.json", string(s.do(t, "GET", "/probity/v1/consent/bundle?visitor="+chosen.Visitor, "", "Authorization", m.token(t)).want(t, 200).body))
	var receipt struct {
		Key string `json:"verifier_key"`
	}
	if err := json.Unmarshal(chosen.Receipt, &receipt); err != nil || !strings.HasPrefix(receipt.Key, "www.example.org/log/") {
		t.Fatalf("the receipt's key is %q: it should begin with the host of the public URL (%v)", receipt.Key, err)
	}
	m.verifier = receipt.Key

	maps := fenced(texts["docs/import.md"], "yaml")
	if len(maps) != 1 {
		t.Fatalf("docs/import.md has %d maps", len(maps))
	}
	m.write(t, "map.yml", regexp.MustCompile(`(?m)^deployment: .*$`).ReplaceAllString(maps[0], "deployment: "+m.site))
	header := regexp.MustCompile("`(event_time,[a-z_,]+)`").FindStringSubmatch(texts["docs/import.md"])
	if header == nil {
		t.Fatal("docs/import.md names no columns")
	}
	consents := fenced(texts["docs/other-ways.md"], "csv")
	if len(consents) != 1 {
		t.Fatalf("docs/other-ways.md has %d tables of consents", len(consents))
	}
	m.write(t, "consents.csv", consents[0])
	m.write(t, "words.txt", "Yes, write to me about offers.\n")
	m.write(t, "events.csv", header[1]+`
2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,appliances.kitchen,shiseido,35.79,541312140,72d76fde
2019-10-01 00:01:00 UTC,cart,44600062,2103807459595387724,appliances.kitchen,shiseido,35.79,541312140,72d76fde
2019-10-01 00:01:30 UTC,remove_from_cart,44600062,2103807459595387724,appliances.kitchen,shiseido,35.79,541312140,72d76fde
2019-10-01 00:02:00 UTC,purchase,44600062,2103807459595387724,,,35.79,541312140,72d76fde
`)
}

func (m *manual) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// use runs a command that needs the server, or none.
func (m *manual) use(t *testing.T, args []string) {
	t.Helper()
	if len(args) == 1 && args[0] != "config" || slices.Contains(args, "--help") {
		helpOf(t, args[0])
		return
	}
	env := append([]string{"PROBITY_CLIENT=" + m.client}, m.env...)
	named := map[string]string{"DIR": m.house.data, "FILE": m.receipt}
	for i, a := range args {
		if to, ok := named[a]; ok {
			args[i] = to
		}
		if i > 0 && args[i-1] == "--key" {
			args[i] = m.verifier
		}
		if i > 0 && args[i-1] == "--server" {
			args[i] = m.server.base
		}
	}
	if args[0] == "replay" && !slices.Contains(args, "--server") {
		env = append(env, "PROBITY_SERVER="+m.server.base)
	}
	out, said, err := run(t, env, m.dir, args...)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, said)
	}
	switch args[0] {
	case "verify":
		if !strings.Contains(out, "verifies") || !strings.Contains(out, "✓") {
			t.Errorf("it prints %s", out)
		}
		// Without a key, what has to be taken on trust is said.
		if own := !slices.Contains(args, "--key"); own != strings.Contains(out, "the key in the file was used") {
			t.Errorf("about the key it prints %s", out)
		}
	case "sign-in":
		link, err := url.Parse(strings.TrimSpace(out))
		if err != nil || link.Query().Get("token") == "" {
			t.Fatalf("the link is %q", out)
		}
		m.server.do(t, "GET", link.RequestURI(), "").want(t, 200)
	case "config":
		if strings.Contains(out, "a-long-secret") || !strings.Contains(out, m.site) {
			t.Errorf("it prints %s", out)
		}
		m.write(t, "settings.yml", out)
		again, said, err := run(t, nil, m.dir, "config", "--config", "settings.yml")
		if body := strings.TrimSpace(comment.ReplaceAllString(out, "")); err != nil || strings.TrimSpace(comment.ReplaceAllString(again, "")) != body {
			t.Errorf("its output is no settings file: %v\n%s%s\nwant %s", err, again, said, body)
		}
	case "replay":
		if _, err := os.Stat(filepath.Join(m.dir, "events.csv.replay")); err != nil {
			t.Errorf("no progress is kept beside the file: %v", err)
		}
		if !strings.Contains(out, "3 events accepted, 1 left out by the map") && !strings.Contains(out, "rows were done before") {
			t.Errorf("it prints %q, want three events the first time and none later", out)
		}
	case "consent":
		want := "2 rows: 2 recorded, 0 already there, 0 refused"
		if slices.Contains(args, "--dry-run") {
			want = "2 rows: 2 would be recorded, 0 already there, 0 refused"
		}
		if !strings.Contains(out, want) {
			t.Errorf("it prints %q, want %q", out, want)
		}
	default:
		t.Errorf("this test does not know %q", args)
	}
}

var comment = regexp.MustCompile(`(?m)^#.*\n`)

// examine runs a command for a stopped installation.
func (m *manual) examine(t *testing.T, args []string) {
	t.Helper()
	if !slices.Contains(args, "--data") {
		args = append(args, "--data", "DIR")
	}
	for i, a := range args {
		if a == "DIR" {
			args[i] = m.house.data
		}
	}
	// The ledger is named after the public URL, which is a setting like any other.
	out, said, err := run(t, append([]string{"PROBITY_PUBLIC_URL=https://www.example.org"}, m.env...), m.dir, args...)
	if err != nil || strings.Contains(out, "✗") {
		t.Errorf("%v\n%s%s", err, out, said)
	}
	// What went in through the server is not recorded again.
	if args[0] == "consent" && !strings.Contains(out, "2 rows: 0 recorded, 2 already there, 0 refused") {
		t.Errorf("it prints %q", out)
	}
}

// token signs the client of the documents in and returns its Authorization header.
func (m *manual) token(t *testing.T) string {
	t.Helper()
	name, word, _ := strings.Cut(m.client, ":")
	var a struct {
		Token string `json:"access_token"`
	}
	m.server.do(t, "POST", "/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {name}, "client_secret": {word}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded").want(t, 200).into(t, &a)
	return "Bearer " + a.Token
}

// post sends the body that the page on imports shows, and compares the answer with the one it tells.
func (m *manual) post(t *testing.T, text string) {
	t.Helper()
	bodies := fenced(text, "json")
	if len(bodies) != 1 {
		t.Fatalf("docs/import.md has %d bodies", len(bodies))
	}
	body := regexp.MustCompile(`"deployment": "[^"]*"`).ReplaceAllString(bodies[0], `"deployment": "`+m.site+`"`)
	body = strings.Replace(body, `"…"`, `"The history of orders tells which journeys lead to one."`, 1)
	var got, want any
	m.server.do(t, "POST", "/probity/v1/import", body, "Authorization", m.token(t)).want(t, 200).into(t, &got)
	told := regexp.MustCompile("`(\\{\"accepted\".*?\\})`").FindStringSubmatch(text)
	if told == nil {
		t.Fatal("docs/import.md tells no answer")
	}
	if err := json.Unmarshal([]byte(told[1]), &want); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the answer is %v, and the page says %v", got, want)
	}
}

// The addresses that the README gives are served, and a start prints what it says.
func TestTheSnippetOfTheReadmeIsServed(t *testing.T) {
	t.Parallel()
	src := regexp.MustCompile(`<script src="https?://[^/"]+([^"]+)"`)
	s := newHouse(t).start(t)
	for name, text := range documents(t) {
		for _, block := range fenced(text, "html") {
			sc := bufio.NewScanner(strings.NewReader(block))
			for sc.Scan() {
				if m := src.FindStringSubmatch(sc.Text()); m != nil {
					if a := s.do(t, "GET", m[1], ""); a.status != 200 || !strings.Contains(a.header.Get("Content-Type"), "javascript") {
						t.Errorf("%s loads %s, which answers %d %s", name, m[1], a.status, a.header.Get("Content-Type"))
					}
				}
			}
		}
	}
	for _, path := range []string{"/privacy/", "/console/sign-in", "/.well-known/gpc.json", "/healthz", "/readyz"} {
		s.do(t, "GET", path, "").want(t, 200)
	}
}
