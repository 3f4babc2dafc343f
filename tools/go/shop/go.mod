module waybill.dev/tools/shop

go 1.26.0
