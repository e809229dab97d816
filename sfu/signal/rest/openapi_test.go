package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/problem"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

var update = flag.Bool("update", false, "write openapi.json anew")

type object = map[string]any

// describer makes schemas of the messages' Go types.
type describer struct{ schemas object }

func (d *describer) schema(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[[]byte]():
		return object{"type": "string", "contentEncoding": "base64"}
	case t == reflect.TypeFor[signal.Event]():
		return object{"type": "object", "description": "An event as docs/protocol.md has it.", "required": []string{"type", "seq"},
			"properties": object{"type": object{"type": "string"}, "seq": object{"type": "integer"}}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.schema(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Struct:
		d.structure(t)
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	return object{"type": "integer"}
}

// structure adds the schema of a struct. What is not omitted is required of an
// answer; of a request nothing is by its form, docs/protocol.md says what is.
func (d *describer) structure(t reflect.Type) {
	if d.schemas[t.Name()] != nil {
		return
	}
	properties := object{}
	d.schemas[t.Name()] = object{"type": "object", "properties": properties}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "-" && name != "" {
			properties[name] = d.schema(t.Field(i).Type)
		}
	}
}

// describe makes the whole description of the table of routes.
func describe() object {
	d := &describer{schemas: object{}}
	paths := object{}
	for _, r := range routes() {
		operation := object{
			"operationId": r.name, "summary": r.doc, "security": []object{{"token": []string{}}},
			"responses": object{
				http.StatusText(r.status): nil,
				"default": object{"description": "A refusal.", "content": object{
					"application/problem+json": object{"schema": d.schema(reflect.TypeFor[problem.Problem]())}}},
			},
		}
		responses := operation["responses"].(object)
		delete(responses, http.StatusText(r.status))
		responses[map[int]string{200: "200", 201: "201"}[r.status]] = object{"description": "Done.", "content": object{
			"application/json": object{"schema": d.schema(reflect.TypeOf(r.reply))}}}
		var parameters []object
		for _, name := range []string{"call", "room"} {
			if strings.Contains(r.path, "{"+name+"}") {
				parameters = append(parameters, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string", "maxLength": signal.MaxNameLength}})
			}
		}
		for _, q := range r.query {
			parameters = append(parameters, object{"name": q.name, "in": "query", "description": q.doc, "schema": object{"type": "integer", "minimum": 0}})
		}
		if r.body != nil {
			operation["requestBody"] = object{"content": object{"application/json": object{"schema": d.schema(reflect.TypeOf(r.body))}}}
			parameters = append(parameters, object{"name": "Idempotency-Key", "in": "header", "schema": object{"type": "string", "maxLength": signal.MaxCommandID},
				"description": "Makes the request safe to repeat: the same key answers the same again."})
		}
		if parameters != nil {
			operation["parameters"] = parameters
		}
		if paths[r.path] == nil {
			paths[r.path] = object{}
		}
		paths[r.path].(object)[strings.ToLower(r.method)] = operation
	}
	header := func(doc string) object { return object{"description": doc, "schema": object{"type": "string"}} }
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "Rivulet", "version": "1",
			"description": "Calls and rooms for backends. Messages, events and codes are described in docs/protocol.md, the whole in docs/signalling.md."},
		"paths": paths,
		"webhooks": object{"events": object{"post": object{
			"summary": "Events, in order, until they are taken with a status of 2xx.",
			"parameters": []object{
				{"name": TimestampHeader, "in": "header", "required": true, "schema": object{"type": "string"}, "description": "Seconds since 1970, of this attempt. Refuse what is more than five minutes off."},
				{"name": SignatureHeader, "in": "header", "required": true, "schema": object{"type": "string"}, "description": "v1= and the HMAC-SHA-256, in hexadecimal, of the timestamp, a dot and the body; several with commas while a secret is replaced."},
				{"name": DeliveryHeader, "in": "header", "required": true, "schema": object{"type": "string"}, "description": "The same for each attempt."},
			},
			"requestBody": object{"content": object{"application/json": object{"schema": d.schema(reflect.TypeFor[Delivery]())}}},
			"responses":   object{"2XX": object{"description": "Taken.", "headers": object{"Content-Length": header("The body is not read.")}}},
		}}},
		"components": object{
			"schemas":         d.schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A backend's token: rivulet.backend is true."}},
		},
	}
}

func TestDescriptionIsFresh(t *testing.T) {
	want, err := json.MarshalIndent(describe(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(openAPI, want) {
		t.Error("openapi.json is not what the handlers do: go test ./sfu/signal/rest -run Description -update")
	}
}

// answering is an engine that takes everything and answers with what fits.
type answering struct {
	signal.Engine
	got signal.Body
}

func (a *answering) Do(_ context.Context, c signal.Command) (signal.Reply, error) {
	a.got = c.Body
	switch c.Body.(type) {
	case *signal.CallQuery:
		return &signal.CallState{Users: []signal.CallUser{}}, nil
	case *signal.RoomQuery:
		return &signal.RoomState{Participants: []signal.Participant{}}, nil
	case *signal.CallHistory:
		return &signal.CallEvents{}, nil
	case *signal.FeedQuery:
		return &signal.FeedState{Last: 7}, nil
	}
	if call, ok := c.Body.(*signal.Call); ok && call.Verb == signal.CallCreate {
		return &signal.Created{Call: "c"}, nil
	}
	return &signal.Done{}, nil
}

func (a *answering) Subscribe(context.Context, signal.Filter) (<-chan signal.Event, error) {
	none := make(chan signal.Event)
	close(none)
	return none, nil
}

type backends struct{}

func (backends) Authenticate(time.Time, *signal.Connect) (token.Grants, error) {
	return token.Grants{Backend: true}, nil
}

// TestEveryOperationIsServed asks each operation of the file as it says, and
// holds answer and request against its schemas.
func TestEveryOperationIsServed(t *testing.T) {
	var file struct {
		Paths map[string]map[string]struct {
			OperationID string
			RequestBody *struct {
				Content map[string]struct {
					Schema struct {
						Ref string `json:"$ref"`
					}
				}
			}
			Responses map[string]struct {
				Content map[string]struct {
					Schema struct {
						Ref string `json:"$ref"`
					}
				}
			}
		}
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(openAPI, &file); err != nil {
		t.Fatal(err)
	}
	engine := &answering{}
	mux := http.NewServeMux()
	New(engine, backends{}).Register(mux)
	operations := 0
	for path, methods := range file.Paths {
		for method, operation := range methods {
			operations++
			url := strings.NewReplacer("{call}", "c", "{room}", "r").Replace(path)
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest(strings.ToUpper(method), url, strings.NewReader("{}")))
			for status, response := range operation.Responses {
				if status == "default" {
					continue
				}
				if got := w.Result().StatusCode; http.StatusText(got) == "" || status != map[int]string{200: "200", 201: "201"}[got] {
					t.Errorf("%s %s answers %d, the file says %s", method, path, got, status)
				}
				var answer map[string]any
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
					t.Errorf("%s %s answers no JSON: %v", method, path, err)
				}
				name := strings.TrimPrefix(response.Content["application/json"].Schema.Ref, "#/components/schemas/")
				for field := range answer {
					if _, known := file.Components.Schemas[name].Properties[field]; !known && field != "type" && field != "re" {
						t.Errorf("%s %s answers with %q, which %s has not", method, path, field, name)
					}
				}
			}
			if (operation.RequestBody != nil) != (method == "post") {
				t.Errorf("%s %s: a request body is described for the wrong method", method, path)
			}
		}
	}
	if operations != len(routes()) {
		t.Errorf("the file has %d operations, there are %d", operations, len(routes()))
	}
}
