// Package client speaks OpenDSR 2.0 to processors: it sends them requests of data subjects, asks what became of
// them, and checks the callbacks in which they tell it.
package client

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
)

// Headers of signed answers and callbacks.
const (
	DomainHeader    = "X-OpenDSR-Processor-Domain"
	SignatureHeader = "X-OpenDSR-Signature"
)

// Statuses of a request at a processor.
const (
	Pending    = "pending"
	InProgress = "in_progress"
	Completed  = "completed"
	Cancelled  = "cancelled"
)

// maxAnswer is how many bytes of an answer are read.
const maxAnswer = 64 << 10

// Processor is the service of a processor.
type Processor struct {
	URL   string       // with its version, such as https://processor.example/v2
	Token string       // sent as bearer token; empty: none
	HTTP  *http.Client // nil: one that follows no redirects, so that the token goes nowhere else
}

// Send hands in a request and returns the HTTP status of the answer. An error is an answer that did not come.
func (p *Processor) Send(ctx context.Context, body []byte, also http.Header) (int, error) {
	code, _, err := p.call(ctx, http.MethodPost, p.at("/requests"), body, also)
	return code, err
}

// Status asks what became of a request. Errors: fail.Unavailable if the answer does not come or says nothing.
func (p *Processor) Status(ctx context.Context, request uuid.UUID) (string, error) {
	code, body, err := p.call(ctx, http.MethodGet, p.at("/requests/"+request.String()), nil, nil)
	if err != nil {
		return "", fail.New(fail.Unavailable, "no answer")
	}
	if code != http.StatusOK {
		return "", fail.New(fail.Unavailable, "HTTP %d", code)
	}
	of, status, err := read(body)
	if err == nil && of != request {
		err = fail.New(fail.Unavailable, "the answer is about another request")
	}
	return status, err
}

// Heard checks a callback and returns which request it is about and the status. It must be signed with the key
// of the certificate that the processor itself names (sections 4.2 and 7.4 of the specification), which is
// fetched from the processor's own host, is in force now, and is for the domain that the callback names.
//
// Errors: fail.Forbidden if it is not the processor's; fail.Unavailable if the certificate can't be fetched;
// fail.Invalid for a body that is none.
func (p *Processor) Heard(ctx context.Context, header http.Header, body []byte, now time.Time) (uuid.UUID, string, error) {
	forged := fail.New(fail.Forbidden, "The callback is not signed by the processor.")
	signature, err := base64.StdEncoding.DecodeString(header.Get(SignatureHeader))
	domain := header.Get(DomainHeader)
	if err != nil || len(signature) == 0 || domain == "" {
		return uuid.Nil, "", forged
	}
	certificate, err := p.certificate(ctx)
	if err != nil {
		return uuid.Nil, "", err
	}
	if !slices.ContainsFunc(certificate.DNSNames, func(n string) bool { return strings.EqualFold(n, domain) }) ||
		now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) || !signedBy(certificate, signature, body) {
		return uuid.Nil, "", forged
	}
	of, status, err := read(body)
	if err != nil {
		return uuid.Nil, "", fail.New(fail.Invalid, "the callback is not the JSON of OpenDSR")
	}
	return of, status, nil
}

// signedBy checks a signature over SHA-256 of the body: RSA with PKCS #1 version 1.5, or ECDSA.
func signedBy(certificate *x509.Certificate, signature, body []byte) bool {
	sum := sha256.Sum256(body)
	switch key := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], signature)
	}
	return false
}

// certificate fetches the certificate that the processor signs with.
func (p *Processor) certificate(ctx context.Context) (*x509.Certificate, error) {
	missing := fail.New(fail.Unavailable, "the processor's certificate can't be fetched")
	code, body, err := p.call(ctx, http.MethodGet, p.at("/discovery"), nil, nil)
	var found struct {
		Certificate string `json:"processor_certificate"`
	}
	if err != nil || code != http.StatusOK || json.Unmarshal(body, &found) != nil {
		return nil, missing
	}
	own, err := url.Parse(p.URL)
	if err != nil {
		return nil, missing
	}
	there, err := own.Parse(found.Certificate)
	if err != nil || there.Host != own.Host || there.Scheme != own.Scheme || there.User != nil {
		return nil, fail.New(fail.Unavailable, "the processor's certificate lies on another host than its service")
	}
	code, body, err = p.call(ctx, http.MethodGet, there.String(), nil, nil)
	block, _ := pem.Decode(body)
	if err != nil || code != http.StatusOK || block == nil {
		return nil, missing
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, missing
	}
	return certificate, nil
}

// read takes the request and its status out of an answer or a callback.
func read(body []byte) (uuid.UUID, string, error) {
	var said struct {
		Request string `json:"subject_request_id"`
		Status  string `json:"request_status"`
	}
	none := fail.New(fail.Unavailable, "the answer names no status")
	if json.Unmarshal(body, &said) != nil || !slices.Contains([]string{Pending, InProgress, Completed, Cancelled}, said.Status) {
		return uuid.Nil, "", none
	}
	of, err := uuid.Parse(said.Request)
	if err != nil {
		return uuid.Nil, "", none
	}
	return of, said.Status, nil
}

func (p *Processor) at(path string) string { return strings.TrimRight(p.URL, "/") + path }

// call makes one call and reads the answer. The error holds neither address nor token.
func (p *Processor) call(ctx context.Context, method, address string, body []byte, also http.Header) (int, []byte, error) {
	q, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("the call could not be made")
	}
	for name, values := range also {
		q.Header[name] = values
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	q.Header.Set("User-Agent", "probity")
	if p.Token != "" {
		q.Header.Set("Authorization", "Bearer "+p.Token)
	}
	client := p.HTTP
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	answer, err := client.Do(q)
	if err != nil {
		return 0, nil, fmt.Errorf("no answer")
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("no answer")
	}
	return answer.StatusCode, raw, nil
}
