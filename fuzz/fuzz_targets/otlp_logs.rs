#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| throughline_fuzz::otlp_logs(body));
