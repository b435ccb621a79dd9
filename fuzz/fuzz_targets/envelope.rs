#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| throughline_fuzz::envelope(text));
