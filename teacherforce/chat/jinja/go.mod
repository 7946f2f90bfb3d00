module github.com/reweigh/reweigh/teacherforce/chat/jinja

go 1.26.0

require (
	github.com/ardanlabs/jinja v1.8.0
	github.com/reweigh/reweigh v0.0.0
)

require github.com/klauspost/compress v1.17.9 // indirect

replace github.com/reweigh/reweigh => ../../..
