package chromium

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAuditFindsWhatIsWrong(t *testing.T) {
	page := map[string]string{
		"/good": `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Good</title><main><h1>A page</h1><h2>A part</h2><p>Words, <a href="/">a link</a>.</p>
			<form><label>Name <input name="n" style="min-height:30px"></label> <button style="min-height:44px">Send</button></form><img src="data:," alt=""></main>`,
		"/bad": `<!doctype html><html><main></main><main><h1>A page</h1><h3 id="x">A part</h3><p id="x" style="color:#999">Pale words</p><input name="n"><button style="width:10px;height:10px"></button>
			<img src="data:,"><svg></svg><a href="/" tabindex="3"></a><p aria-labelledby="none">x</p><div style="width:3000px">wide</div><table><tr><th>Head</th></tr></table></main>`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page[r.URL.Path]))
	}))
	t.Cleanup(server.Close)
	b := New(t, Start(t))
	b.Open(server.URL + "/good")
	if faults := b.Audit(); len(faults) > 0 {
		t.Errorf("a good page has faults: %q", faults)
	}
	b.Open(server.URL + "/bad")
	faults := strings.Join(b.Audit(), "\n")
	for _, want := range []string{"no language", "no title", "not one main", "level is skipped", "used twice", "points nowhere", "order of its own", "without alt",
		"control without a name", "field without a label", "drawing without a role", "without a scope", "contrast", "small target", "scrolls sideways"} {
		if !strings.Contains(faults, want) {
			t.Errorf("the audit missed: %s\n%s", want, faults)
		}
	}
}
