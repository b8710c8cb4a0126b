package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// fill fills the struct that into points to from one JSON object, whose fields
// must be exactly the struct's, and so on for the structs and lists of structs in
// it, which encoding/json alone would take with any fields.
func fill(into any, data []byte) error {
	fields, err := object(data)
	if err != nil {
		return err
	}
	known, needed := tags(reflect.TypeOf(into).Elem())
	for name := range fields {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown field %q", name)
		}
	}
	for _, name := range needed {
		if fields[name] == nil {
			return fmt.Errorf("the field %q is missing", name)
		}
	}
	err = json.Unmarshal(data, into)
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("the field %q is a %s, want %s", te.Field, te.Value, te.Type)
	}
	if err != nil {
		return err
	}
	for i, name := range known {
		if err := fillInner(reflect.ValueOf(into).Elem().Field(i), name, fields[name]); err != nil {
			return err
		}
	}
	return nil
}

// fillInner fills a field that is a struct or a list of structs.
func fillInner(field reflect.Value, name string, data []byte) error {
	if data == nil {
		return nil
	}
	if field.Kind() == reflect.Pointer && field.Type().Elem().Kind() == reflect.Struct {
		if err := fill(field.Interface(), data); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if field.Kind() != reflect.Slice || field.Type().Elem().Kind() != reflect.Struct {
		return nil
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(data, &entries); err != nil {
		return err
	}
	for i, entry := range entries {
		if err := fill(field.Index(i).Addr().Interface(), entry); err != nil {
			return fmt.Errorf("entry %d of %s: %w", i+1, name, err)
		}
	}
	return nil
}

// tags lists the JSON names of a struct's fields: all of them, and those that
// may not be left out.
func tags(t reflect.Type) (known, needed []string) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		known = append(known, name)
		if options != "omitempty" {
			needed = append(needed, name)
		}
	}
	return known, needed
}

// object splits one JSON object into its fields. encoding/json alone would let
// a field pass twice, in another case, or as null, and text follow the object.
func object(data []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, broken(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, broken(err)
		}
		name := key.(string) // the decoder accepts nothing else before a colon
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("the field %q is given twice", name)
		}
		if string(value) == "null" {
			return nil, fmt.Errorf("the field %q is null", name)
		}
		fields[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, broken(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is more text after the object")
	}
	return fields, nil
}

// broken says what is wrong with text that is not JSON.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it breaks off before its end")
	}
	return fmt.Errorf("it is not JSON: %w", err)
}
