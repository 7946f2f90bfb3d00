package parquet

import (
	"io"

	"github.com/parquet-go/parquet-go"
)

// cursor reads the values of one column, page by page.
type cursor struct {
	chunk  parquet.ColumnChunk
	pages  parquet.Pages
	page   parquet.Page // the one that buf is from
	old    []parquet.Page
	values parquet.ValueReader
	buf    []parquet.Value
	at, n  int
}

// bufValues is how many values a column reads at a time.
const bufValues = 128

// fill reads more values. At the end of the chunk it returns io.EOF.
func (c *cursor) fill() error {
	if c.pages == nil {
		c.pages = c.chunk.Pages()
		c.buf = make([]parquet.Value, bufValues)
	}
	for {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				return err
			}
			if c.page != nil {
				c.old = append(c.old, c.page) // a row may still have values of it
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buf)
		if err == io.EOF {
			c.values = nil
		} else if err != nil {
			return err
		}
		c.at, c.n = 0, n
		if n > 0 {
			return nil
		}
		if err == nil {
			return io.ErrNoProgress
		}
	}
}

// row appends the values of the next row. At the end it returns io.EOF.
func (c *cursor) row(out []parquet.Value) ([]parquet.Value, error) {
	for _, page := range c.old {
		parquet.Release(page)
	}
	c.old = c.old[:0]
	for first := true; ; first = false {
		if c.at == c.n {
			err := c.fill()
			if err == io.EOF && !first {
				return out, nil
			}
			if err != nil {
				return out, err
			}
		}
		v := c.buf[c.at]
		if !first && v.RepetitionLevel() == 0 {
			return out, nil
		}
		if len(out) == maxValues {
			return out, errBounds
		}
		out = append(out, v)
		c.at++
	}
}

func (c *cursor) close() error {
	for _, page := range append(c.old, c.page) {
		if page != nil {
			parquet.Release(page)
		}
	}
	c.old, c.page, c.values, c.at, c.n = nil, nil, nil, 0, 0
	if c.pages == nil {
		return nil
	}
	err := c.pages.Close()
	c.pages = nil
	return err
}
