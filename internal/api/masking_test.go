package api_test

import (
	"strings"
	"testing"
)

func TestMaskingRulesAreMadeTriedChangedAndDropped(t *testing.T) {
	h := newHouse(t)
	const path = "/api/v2/dataprivacy/maskingrules"
	made := h.call(t, "POST", path, `{"name":"Customers","substituteCharacter":"#","definition":"KD-[0-9]{6}","enabled":true,"type":"Custom","direction":"inbound"}`).want(t, 200)
	id, _ := made.at("id").(string)
	if id == "" || made.at("type") != "Custom" || made.at("dateCreated") == nil {
		t.Fatalf("got %s", made.body)
	}
	one := path + "/" + id
	if a := h.call(t, "GET", one, "").want(t, 200); a.at("definition") != "KD-[0-9]{6}" || a.at("direction") != "inbound" {
		t.Errorf("got %s", a.body)
	}
	if a := h.call(t, "GET", path, "").want(t, 200); a.at("total") != 1.0 {
		t.Errorf("the listing is %s", a.body)
	}
	if a := h.call(t, "PATCH", one, `{"enabled":false}`).want(t, 200); a.at("enabled") != false || a.at("name") != "Customers" {
		t.Errorf("changed: %s", a.body)
	}
	h.call(t, "PATCH", one, `{"definition":"(?=a)b"}`).want(t, 400)
	if a := h.call(t, "POST", path+"/validate", `{"text":"My KD-123456.","definition":"KD-[0-9]{6}"}`).want(t, 200); a.at("valid") != true || a.at("maskedText") != "My *********." {
		t.Errorf("tried: %s", a.body)
	}
	if a := h.call(t, "POST", path+"/validate", `{"text":"a","definition":"(a)\\1"}`).want(t, 200); a.at("valid") != false || !strings.Contains(a.at("validationMessage").(string), "RE2") {
		t.Errorf("tried what can't be: %s", a.body)
	}
	for name, body := range map[string]string{
		"an expression that looks behind": `{"name":"A","substituteCharacter":"#","definition":"(?<=a)b","enabled":true,"type":"Custom"}`,
		"a type of the platform":          `{"name":"A","substituteCharacter":"#","definition":"b","enabled":true,"type":"Predefined"}`,
		"no name":                         `{"substituteCharacter":"#","definition":"b","enabled":true,"type":"Custom"}`,
		"no substitute":                   `{"name":"A","definition":"b","enabled":true,"type":"Custom"}`,
		"a direction of its own":          `{"name":"A","substituteCharacter":"#","definition":"b","enabled":true,"type":"Custom","direction":"up"}`,
		"a long expression":               `{"name":"A","substituteCharacter":"#","definition":"` + strings.Repeat("b", 1025) + `","enabled":true,"type":"Custom"}`,
	} {
		if a := h.call(t, "POST", path, body); a.status != 400 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	h.call(t, "DELETE", one, "").want(t, 204)
	h.call(t, "GET", one, "").want(t, 404)
	h.call(t, "DELETE", one, "").want(t, 404)
}
