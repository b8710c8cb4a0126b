package node

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Blank is what stands where a secret was.
const Blank = "[secret]"

// Secrets are the values of all fields that hold one, which have the tag secret.
func (f File) Secrets() []string {
	var list []string
	eachSecret(reflect.ValueOf(f), func(v reflect.Value) {
		if v.String() != "" {
			list = append(list, v.String())
		}
	})
	return list
}

// Blanked is the file for other eyes than this node's: without its secrets, and so
// without what Validate wants.
func (f File) Blanked() (File, error) {
	data, err := json.Marshal(f)
	var copied File
	if err == nil {
		err = json.Unmarshal(data, &copied)
	}
	if err != nil {
		return File{}, fmt.Errorf("cannot blank the node file of %s: %w", f.Name, err)
	}
	eachSecret(reflect.ValueOf(&copied), func(v reflect.Value) { v.SetString(Blank) })
	return copied, nil
}

// eachSecret finds the fields with the tag in a struct, and in what it leads to.
func eachSecret(v reflect.Value, do func(reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachSecret(v.Elem(), do)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachSecret(v.Index(i), do)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("secret") != "" {
				do(v.Field(i))
			} else {
				eachSecret(v.Field(i), do)
			}
		}
	}
}
