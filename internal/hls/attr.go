package hls

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An Attr is one NAME=VALUE of an attribute list (RFC 8216bis section 4.2).
type Attr struct {
	Name string
	// Value without its quotes.
	Value string
	// Quoted says whether Value stands in double quotes.
	Quoted bool
	// lead is what stands before the name, against the rules: spaces.
	lead string
}

// Attrs is an attribute list in its order.
type Attrs []Attr

// ParseAttrs reads an attribute list. Spaces after commas, which the
// specification forbids and packagers write, are taken and kept.
func ParseAttrs(text string) (Attrs, error) {
	if text == "" {
		return nil, errors.New("the attribute list is empty: write NAME=VALUE pairs with commas between them")
	}
	var list Attrs
	for {
		if len(list) == MaxAttrs {
			return nil, fmt.Errorf("more than %d attributes: remove some", MaxAttrs)
		}
		a, rest, err := cutAttr(text)
		if err != nil {
			return nil, err
		}
		if list.has(a.Name) {
			return nil, fmt.Errorf("attribute %.40s stands there twice: remove one", a.Name)
		}
		list = append(list, a)
		if rest == "" {
			return list, nil
		}
		if rest[0] != ',' {
			return nil, fmt.Errorf("%.20q follows attribute %s: put a comma between attributes", rest, a.Name)
		}
		text = rest[1:]
	}
}

// cutAttr takes the first attribute off text.
func cutAttr(text string) (Attr, string, error) {
	name, value, ok := strings.Cut(text, "=")
	trimmed := strings.TrimLeft(name, " ")
	a := Attr{Name: trimmed, lead: name[:len(name)-len(trimmed)]}
	if !ok || !isAttrName(a.Name) {
		return a, "", fmt.Errorf("%.40q is no attribute: write NAME=VALUE pairs with commas between them", text)
	}
	if !strings.HasPrefix(value, `"`) {
		end := strings.IndexByte(value, ',')
		if end < 0 {
			end = len(value)
		}
		a.Value = value[:end]
		if a.Value == "" || strings.Contains(a.Value, `"`) {
			return a, "", fmt.Errorf("attribute %.40s has the value %.40q: close the quotes or give a value", a.Name, a.Value)
		}
		return a, value[end:], nil
	}
	end := strings.IndexByte(value[1:], '"')
	if end < 0 {
		return a, "", fmt.Errorf("attribute %.40s has no closing quote: add it", a.Name)
	}
	a.Value, a.Quoted = value[1:1+end], true
	return a, value[end+2:], nil
}

// isAttrName is wider than the specification's A-Z, 0-9 and -: client attributes
// are written in small letters and with dots in practice.
func isAttrName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	})
}

// String is the list as it stands in a playlist.
func (list Attrs) String() string {
	var b strings.Builder
	for i, a := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(a.lead + a.Name + "=")
		if a.Quoted {
			b.WriteString(`"` + a.Value + `"`)
		} else {
			b.WriteString(a.Value)
		}
	}
	return b.String()
}

// Get returns the value of an attribute and whether it is there.
func (list Attrs) Get(name string) (string, bool) {
	if i := list.index(name); i >= 0 {
		return list[i].Value, true
	}
	return "", false
}

// Set replaces the attribute of the same name where it stands, or adds it last.
func (list *Attrs) Set(a Attr) {
	if i := list.index(a.Name); i >= 0 {
		a.lead = (*list)[i].lead
		(*list)[i] = a
		return
	}
	*list = append(*list, a)
}

// Delete removes an attribute if it is there.
func (list *Attrs) Delete(name string) {
	*list = slices.DeleteFunc(*list, func(a Attr) bool { return a.Name == name })
}

func (list Attrs) has(name string) bool { return list.index(name) >= 0 }

func (list Attrs) index(name string) int {
	return slices.IndexFunc(list, func(a Attr) bool { return a.Name == name })
}

// quoted and bare make attributes for lists that we write.
func quoted(name, value string) Attr { return Attr{Name: name, Value: value, Quoted: true} }
func bare(name, value string) Attr   { return Attr{Name: name, Value: value} }

// valid says whether a can be written so that a reader gets it back.
func (a Attr) valid() error {
	bad := func(r rune) bool {
		return r < 0x20 || r >= 0x7f && r < 0xa0 || r == '"' || r == 0xfffd || !a.Quoted && (r == ',' || r == ' ')
	}
	if strings.ContainsFunc(a.Value, bad) || !a.Quoted && a.Value == "" {
		return fmt.Errorf("attribute %s cannot hold %.40q: leave out quotes, commas and control characters", a.Name, a.Value)
	}
	return nil
}
