package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"probity/internal/fail"
)

// viewport is a size of window. A picture shows what is seen without scrolling.
type viewport struct {
	name          string
	width, height int
}

// viewports are those that a notice is drawn in: a phone, and a desktop.
func viewports() []viewport { return []viewport{{"m", 390, 800}, {"d", 1280, 800}} }

// pictureTime is how long a browser may take for one picture.
const pictureTime = time.Minute

// take has the browser draw a page with a profile of its own. Time on the page runs ahead until nothing
// moves any more. The size is set through the DevTools protocol: a window can't be narrower than 500
// pixels, and phones are.
func take(ctx context.Context, browser, dir, page string, v viewport) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, pictureTime)
	defer cancel()
	b, err := startBrowser(limited, browser, filepath.Join(dir, "profile-"+strconv.FormatInt(time.Now().UnixNano(), 36)))
	if err != nil {
		return nil, err
	}
	picture, err := b.draw(page, v)
	if out := b.stop(); err != nil {
		return nil, fail.Wrap(fail.Unavailable, fmt.Errorf("%w: %s", err, tail(out)), "The browser did not take the picture")
	}
	return picture, nil
}

// devtools is a browser that is spoken to through two pipes: one JSON object after another, each ended
// by a zero byte. It is used by one goroutine.
type devtools struct {
	cmd     *exec.Cmd
	to      *os.File
	from    *os.File
	in      *bufio.Reader
	said    *strings.Builder // what the browser complains of
	session string           // of the page, once there is one
	events  map[string]bool  // of the page, not yet waited for
	calls   int
}

func startBrowser(ctx context.Context, path, profile string) (*devtools, error) {
	args := []string{
		"--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-component-update",
		"--user-data-dir=" + profile, "--remote-debugging-pipe", "about:blank",
	}
	if os.Geteuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...) // Chromium refuses to run as root otherwise
	}
	theirs, to, err := os.Pipe()
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "The browser can't be spoken to")
	}
	defer theirs.Close()
	from, answers, err := os.Pipe()
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "The browser can't be spoken to")
	}
	defer answers.Close()
	b := &devtools{cmd: exec.CommandContext(ctx, path, args...), to: to, from: from, in: bufio.NewReader(from), said: new(strings.Builder), events: map[string]bool{}}
	b.cmd.Stderr = b.said
	b.cmd.WaitDelay = time.Second
	b.cmd.ExtraFiles = []*os.File{theirs, answers} // the browser reads from 3 and writes to 4
	if err := b.cmd.Start(); err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "The browser does not start")
	}
	return b, nil
}

// stop ends the browser and returns what it complained of. Once it has ended, whoever reads from it is
// told so.
func (b *devtools) stop() []byte {
	_ = b.cmd.Process.Kill() // it may have ended by itself
	_ = b.cmd.Wait()         // killed, it says so
	_ = b.to.Close()
	_ = b.from.Close()
	return []byte(b.said.String())
}

// draw opens a page in a window of that size and returns a PNG of what is seen of it.
func (b *devtools) draw(page string, v viewport) ([]byte, error) {
	var target struct {
		ID string `json:"targetId"`
	}
	if err := b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	var attached struct {
		Session string `json:"sessionId"`
	}
	if err := b.call("Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached); err != nil {
		return nil, err
	}
	b.session = attached.Session
	size := map[string]any{"width": v.width, "height": v.height, "deviceScaleFactor": 1, "mobile": v.name == "m"}
	if err := b.call("Emulation.setDeviceMetricsOverride", size, nil); err != nil {
		return nil, err
	}
	if err := b.call("Page.enable", nil, nil); err != nil {
		return nil, err
	}
	clear(b.events) // the empty page before it may have been loaded just now
	var opened struct {
		Error string `json:"errorText"`
	}
	if err := b.call("Page.navigate", map[string]any{"url": page}, &opened); err != nil {
		return nil, err
	}
	if opened.Error != "" {
		return nil, fmt.Errorf("the page was not opened: %s", opened.Error)
	}
	if err := b.wait("Page.loadEventFired"); err != nil {
		return nil, err
	}
	ahead := map[string]any{"policy": "pauseIfNetworkFetchesPending", "budget": 5000}
	if err := b.call("Emulation.setVirtualTimePolicy", ahead, nil); err != nil {
		return nil, err
	}
	if err := b.wait("Emulation.virtualTimeBudgetExpired"); err != nil {
		return nil, err
	}
	var taken struct {
		Data []byte `json:"data"`
	}
	err := b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &taken)
	return taken.Data, err
}

// message is what goes through the pipes: a call, its answer, or an event.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// call has the browser do something and reads its answer into out, unless that is nil. Events that come
// before the answer are kept for wait.
func (b *devtools) call(method string, params, out any) error {
	b.calls++
	text, err := json.Marshal(message{ID: b.calls, Session: b.session, Method: method, Params: params})
	if err != nil {
		return err
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		return err
	}
	for {
		m, err := b.next()
		switch {
		case err != nil:
			return err
		case m.ID != b.calls:
		case m.Error != nil:
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		case out == nil:
			return nil
		default:
			return json.Unmarshal(m.Result, out)
		}
	}
}

// wait reads up to an event of the page, unless it came already.
func (b *devtools) wait(event string) error {
	for !b.events[event] {
		if _, err := b.next(); err != nil {
			return err
		}
	}
	delete(b.events, event)
	return nil
}

func (b *devtools) next() (m message, err error) {
	text, err := b.in.ReadBytes(0)
	if err != nil {
		return m, fmt.Errorf("the browser went away: %w", err)
	}
	err = json.Unmarshal(text[:len(text)-1], &m)
	if m.Method != "" && m.Session == b.session {
		b.events[m.Method] = true
	}
	return m, err
}
