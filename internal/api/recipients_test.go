package api_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestARecipientIsListedAndToldByStaff(t *testing.T) {
	h := newHouse(t)
	made := h.call(t, "POST", "/probity/v1/recipients", `{"name":"Parcel","contact":"Parcel Road 1","categories":["address"],"way":"letter"}`).want(t, 201)
	id, _ := made.at("id").(string)
	if id == "" || made.at("name") != "Parcel" || made.at("created_at") == nil {
		t.Fatalf("got %s", made.body)
	}
	h.call(t, "POST", "/probity/v1/recipients", `{"name":"Parcel","contact":"x","categories":["address"],"way":"webhook","url":"http://parcel.example"}`).want(t, 400)
	if a := h.call(t, "GET", "/probity/v1/recipients", "").want(t, 200); !strings.Contains(string(a.body), `"secret":"`) {
		t.Errorf("the listing is %s", a.body)
	}
	changed := h.call(t, "PUT", "/probity/v1/recipients/"+id, `{"name":"Parcel Hub","contact":"Parcel Road 2","categories":["address"],"way":"letter"}`).want(t, 200)
	if changed.at("name") != "Parcel Hub" || changed.at("id") != id {
		t.Errorf("changed to %s", changed.body)
	}
	h.call(t, "PUT", "/probity/v1/recipients/"+id, `{"name":"","contact":"x","categories":["address"],"way":"letter"}`).want(t, 400)
	h.call(t, "PUT", "/probity/v1/recipients/"+uuid.NewString(), `{"name":"Parcel","contact":"x","categories":["address"],"way":"letter"}`).want(t, 404)
	q := h.call(t, "POST", "/probity/v1/requests", `{"type":"erasure","subject":{"emailAddresses":["nobody@example.org"]}}`).want(t, 202)
	of := "/probity/v1/requests/" + q.at("id").(string) + "/recipients"
	if a := h.call(t, "GET", of, "").want(t, 200); string(a.body) != "{\"recipients\":[]}\n" {
		t.Errorf("got %s", a.body)
	}
	h.call(t, "POST", of+"/"+id+"/told", `{"reason":"letter"}`).want(t, 409)
	h.call(t, "GET", of+"/"+id, "").want(t, 404)
	h.call(t, "POST", of+"/"+id+"/waiver", `{}`).want(t, 400)
	h.call(t, "DELETE", "/probity/v1/recipients/"+id, "").want(t, 204)
	h.call(t, "DELETE", "/probity/v1/recipients/"+id, "").want(t, 404)
}

func TestATokenOfAProcessorIsTakenAndNeverHandedOut(t *testing.T) {
	h := newHouse(t)
	made := h.call(t, "POST", "/probity/v1/recipients", `{"name":"Processor","contact":"x","categories":["events"],"way":"opendsr","url":"https://processor.example/v2","token":"let-me-in"}`).want(t, 201)
	id, _ := made.at("id").(string)
	list := h.call(t, "GET", "/probity/v1/recipients", "").want(t, 200)
	for _, a := range []*answer{made, list} {
		if !strings.Contains(string(a.body), `"has_token":true`) || strings.Contains(string(a.body), "let-me-in") {
			t.Errorf("the answer is %s", a.body)
		}
	}
	changed := h.call(t, "PUT", "/probity/v1/recipients/"+id, `{"name":"Processor","contact":"y","categories":["events"],"way":"opendsr","url":"https://processor.example/v3"}`).want(t, 200)
	if changed.at("has_token") != false {
		t.Errorf("the token went to another address: %s", changed.body)
	}
	h.do(t, "POST", "/opendsr/v2/callbacks/"+uuid.NewString()+"/"+id, `{}`).want(t, 404)
}
