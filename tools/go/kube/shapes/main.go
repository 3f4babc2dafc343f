// Prints, as JSON, how objects of Kubernetes' own kinds look to admission: which fields the API server fills in, drops when
// they are zero, or always writes. Input of packager/policies: run by tools/object-shapes.ts.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/certificates/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/flowcontrol/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/node/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
)

// A field. kind: o an object, l and m a list and a map of what follows, s text, i integer, b bool, f double, q quantity,
// t time or duration, r whatever is written. shape: the type of an object. Flags: + the API server may fill it in,
// - it is dropped when it is zero, ! it is always there.
type field struct {
	name, kind, shape string
	dropped, always   bool
	filled            bool
}

var types = map[string]map[string]*field{}
var enums = map[string][]string{}

func nameOf(t reflect.Type) string {
	path := strings.TrimPrefix(strings.TrimPrefix(t.PkgPath(), "k8s.io/api/"), "k8s.io/apimachinery/pkg/apis/")
	return path + "." + t.Name()
}

var marshaler = reflect.TypeOf((*json.Marshaler)(nil)).Elem()

func leafKind(t reflect.Type) string {
	switch t {
	case reflect.TypeOf(resource.Quantity{}):
		return "q"
	case reflect.TypeOf(metav1.Time{}), reflect.TypeOf(metav1.MicroTime{}), reflect.TypeOf(metav1.Duration{}):
		return "t"
	case reflect.TypeOf(intstr.IntOrString{}):
		return "r"
	}
	if t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler) {
		return "r"
	}
	switch t.Kind() {
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Float32, reflect.Float64:
		return "f"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "i"
	}
	return ""
}

func describe(t reflect.Type) (kind, shape string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if leaf := leafKind(t); leaf != "" {
		return leaf, ""
	}
	switch t.Kind() {
	case reflect.Struct:
		walk(t)
		return "o", nameOf(t)
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "s", ""
		}
		k, s := describe(t.Elem())
		return "l" + k, s
	case reflect.Map:
		k, s := describe(t.Elem())
		return "m" + k, s
	}
	return "r", ""
}

func walk(t reflect.Type) {
	name := nameOf(t)
	if _, ok := types[name]; ok {
		return
	}
	fields := map[string]*field{}
	types[name] = fields
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("json"), ",")
		opts := strings.Join(tag[1:], ",")
		if tag[0] == "-" {
			continue
		}
		if tag[0] == "" {
			if f.Name == "TypeMeta" {
				for _, n := range []string{"apiVersion", "kind"} {
					fields[n] = &field{name: n, kind: "s", dropped: true, filled: true}
				}
				continue
			}
			inner := f.Type
			for inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			walk(inner)
			for n, one := range types[nameOf(inner)] {
				fields[n] = one
			}
			continue
		}
		kind, shape := describe(f.Type)
		omitempty, omitzero := strings.Contains(opts, "omitempty"), strings.Contains(opts, "omitzero")
		zeroable := false
		switch f.Type.Kind() {
		case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Float64, reflect.Map, reflect.Slice:
			zeroable = true
		}
		one := &field{name: tag[0], kind: kind, shape: shape}
		one.dropped = (omitempty && zeroable) || (omitzero && f.Type.Kind() != reflect.Pointer)
		one.always = !omitzero && (!omitempty || (f.Type.Kind() == reflect.Struct))
		fields[tag[0]] = one
	}
}

// ---- what the API server fills in: found out by trying

func harvest() {
	root := filepath.Join(os.Args[1])
	re := regexp.MustCompile(`(?m)^\s*\w+\s+(\w+)\s*=\s*"([^"]+)"`)
	filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err == nil && strings.HasSuffix(path, "types.go") {
			data, _ := os.ReadFile(path)
			for _, m := range re.FindAllStringSubmatch(string(data), -1) {
				enums[m[1]] = append(enums[m[1]], m[2])
			}
		}
		return nil
	})
}

// What fields without a type of their own are filled with: some decide over the defaults of others.
var words = []string{"x", "x", "x", "User", "Group", "ServiceAccount", "Role", "Pod", "Deployment"}

func fill(v reflect.Value, r *rand.Rand, density float64, depth int) {
	if depth > 12 {
		return
	}
	t := v.Type()
	switch t {
	case reflect.TypeOf(resource.Quantity{}):
		v.Set(reflect.ValueOf(resource.MustParse("1")))
		return
	case reflect.TypeOf(metav1.Time{}), reflect.TypeOf(metav1.MicroTime{}), reflect.TypeOf(metav1.Duration{}), reflect.TypeOf(runtime.RawExtension{}), reflect.TypeOf(metav1.FieldsV1{}):
		return
	case reflect.TypeOf(intstr.IntOrString{}):
		v.Set(reflect.ValueOf(intstr.FromInt32(int32(r.Intn(2)))))
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		if r.Float64() < density {
			p := reflect.New(t.Elem())
			fill(p.Elem(), r, density, depth+1)
			v.Set(p)
		}
	case reflect.Slice:
		if t.Elem().Kind() != reflect.Uint8 && r.Float64() < density {
			s := reflect.MakeSlice(t, 1, 1)
			fill(s.Index(0), r, density, depth+1)
			v.Set(s)
		}
	case reflect.Map:
		if t.Key().Kind() == reflect.String && r.Float64() < density {
			m := reflect.MakeMap(t)
			e := reflect.New(t.Elem()).Elem()
			fill(e, r, density, depth+1)
			m.SetMapIndex(reflect.ValueOf("k").Convert(t.Key()), e)
			v.Set(m)
		}
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			if v.Field(i).CanSet() && t.Field(i).Name != "TypeMeta" && t.Field(i).Name != "Status" {
				fill(v.Field(i), r, density, depth+1)
			}
		}
	case reflect.String:
		if r.Float64() < density {
			if e := enums[t.Name()]; len(e) > 0 && t.Name() != "string" {
				v.SetString(e[r.Intn(len(e))])
			} else {
				v.SetString(words[r.Intn(len(words))])
			}
		}
	case reflect.Int32, reflect.Int64, reflect.Int:
		if r.Float64() < density {
			v.SetInt(1)
		}
	case reflect.Bool:
		v.SetBool(r.Float64() < density/2)
	}
}

func plain(o runtime.Object) map[string]interface{} {
	u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		panic(err)
	}
	return u
}

// What is in after and not in before is filled in.
func compare(typeName string, before, after interface{}) {
	fields := types[typeName]
	b, _ := before.(map[string]interface{})
	a, _ := after.(map[string]interface{})
	for key, value := range a {
		f := fields[key]
		if f == nil {
			continue
		}
		old, was := b[key]
		if !was || (old == nil && value != nil) || isZero(old) && !isZero(value) {
			// What conversions keep in labels and annotations, and what happens to Pods alone, is said where it matters: packager/policies/object-value.ts.
			f.filled = f.filled || typeName != "meta/v1.ObjectMeta" && !(typeName == "core/v1.ResourceRequirements" && key == "requests")
		}
		descend(f, old, value)
	}
	for key, old := range b {
		if _, is := a[key]; !is && !isZero(old) && fields[key] != nil {
			fields[key].filled = true
		}
	}
}

func isZero(v interface{}) bool {
	switch x := v.(type) {
	case nil:
		return true
	case string:
		return x == ""
	case int64:
		return x == 0
	case bool:
		return !x
	case []interface{}:
		return len(x) == 0
	}
	return false
}

func descend(f *field, old, value interface{}) {
	if f.shape == "" {
		return
	}
	switch v := value.(type) {
	case []interface{}:
		o, _ := old.([]interface{})
		for i := range v {
			if i < len(o) {
				compare(f.shape, o[i], v[i])
			}
		}
		if len(o) != 0 && len(o) != len(v) {
			f.filled = true
		}
	case map[string]interface{}:
		if strings.HasPrefix(f.kind, "m") {
			o, _ := old.(map[string]interface{})
			for k := range v {
				if _, ok := o[k]; ok {
					compare(f.shape, o[k], v[k])
				}
			}
			return
		}
		compare(f.shape, old, value)
	}
}

func try(gvk schema.GroupVersionKind, root string, r *rand.Rand, density float64) {
	defer func() { recover() }()
	s := legacyscheme.Scheme
	obj, err := s.New(gvk)
	if err != nil {
		return
	}
	if density > 0 {
		fill(reflect.ValueOf(obj).Elem(), r, density, 0)
	}
	before := plain(obj)
	s.Default(obj)
	internal, err := s.UnsafeConvertToVersion(obj.DeepCopyObject(), schema.GroupVersion{Group: gvk.Group, Version: runtime.APIVersionInternal})
	if err == nil {
		if back, err := s.ConvertToVersion(internal, gvk.GroupVersion()); err == nil {
			obj = back
		}
	}
	compare(root, before, plain(obj))
}

func main() {
	harvest()
	r := rand.New(rand.NewSource(1))
	kinds := map[string]string{}
	all := legacyscheme.Scheme.AllKnownTypes()
	var gvks []schema.GroupVersionKind
	for gvk, t := range all {
		if gvk.Version == runtime.APIVersionInternal || strings.HasSuffix(gvk.Kind, "List") || strings.HasSuffix(gvk.Kind, "Options") || !strings.HasPrefix(t.PkgPath(), "k8s.io/api/") {
			continue
		}
		if strings.Contains(gvk.Version, "alpha") || strings.Contains(gvk.Version, "beta") {
			continue
		}
		if _, ok := t.FieldByName("ObjectMeta"); !ok {
			continue
		}
		gvks = append(gvks, gvk)
	}
	sort.Slice(gvks, func(i, j int) bool { return gvks[i].String() < gvks[j].String() })
	for _, gvk := range gvks {
		t := all[gvk]
		walk(t)
		gv := gvk.Version
		if gvk.Group != "" {
			gv = gvk.Group + "/" + gvk.Version
		}
		kinds[gv+" "+gvk.Kind] = nameOf(t)
	}
	for _, gvk := range gvks {
		root := nameOf(all[gvk])
		try(gvk, root, r, 0)
		for n := 0; n < 400; n++ {
			try(gvk, root, r, []float64{0.3, 0.5, 0.7, 0.9, 1}[n%5])
		}
	}
	shapes := map[string]map[string]string{}
	for name, fields := range types {
		shapes[name] = map[string]string{}
		for _, f := range fields {
			flags := ""
			if f.filled {
				flags += "+"
			}
			if f.dropped {
				flags += "-"
			}
			if f.always {
				flags += "!"
			}
			text := f.kind + flags
			if f.shape != "" {
				text += " " + f.shape
			}
			shapes[name][f.name] = text
		}
	}
	out, _ := json.Marshal(map[string]interface{}{"kinds": kinds, "shapes": shapes})
	fmt.Println(string(out))
}
