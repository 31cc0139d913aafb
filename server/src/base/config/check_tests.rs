//! Every rule of a configuration, broken once.

use super::*;

fn refusal_of(toml: &str) -> String {
    let config = Config::from_toml(toml, "test").unwrap();
    config.check().expect_err(toml).to_string()
}

#[test]
fn the_default_configuration_is_valid() {
    Config::default().check().unwrap();
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_rule_names_the_key_that_breaks_it() {
    for (toml, says) in [
        (
            "[[namespace]]\nname = \"a\"\npayload_bytes_max = 1048577",
            "namespace \"a\": payload_bytes_max is 1048577, but must be at most 1048576",
        ),
        ("[[namespace]]\nname = \"a\"\npayload_bytes_max = 262144", "must be at least 278528"),
        ("[[namespace]]\nname = \"a\"\nrooms_max = 0", "rooms_max is 0"),
        (
            "[[namespace]]\nname = \"a\"\ndelivery_window = \"2s\"",
            "delivery_window is 2s, but must be at most 1s",
        ),
        ("[[namespace]]\nname = \"a*b\"", "namespace \"a*b\" may hold `*` at its end only"),
        ("[[namespace]]\nname = \"$SYS\"", "begins with a reserved character"),
        ("[[namespace]]\nname = \"\"", "is empty"),
        ("[[namespace]]\nname = \"a\"\n[[namespace]]\nname = \"a\"", "namespace \"a\" is there twice"),
        (
            "[limits.session]\noutbox_bytes_max = 16383",
            "limits.session.outbox_bytes_max is 16383, but must be at least 16384",
        ),
        ("[limits.session]\nrooms_max = 0", "limits.session.rooms_max is 0"),
        ("[limits.session]\nemits_burst = 0", "limits.session.emits_burst is 0"),
        ("[limits.session]\nhello_timeout = \"0s\"", "limits.session.hello_timeout is 0"),
        ("[limits.connection]\nkeepalive_interval = \"2days\"", "must be at most 1day"),
        ("[limits.connection]\nheader_list_bytes_max = 4096", "must be at least 5120"),
        ("[limits.connection]\nwindow_bytes = 65534", "must be at least 65535"),
        ("[limits.connection]\nstreams_max = 0", "limits.connection.streams_max is 0"),
        ("[limits.node]\nhellos_per_second = 0", "limits.node.hellos_per_second is 0"),
        ("[stop]\ndrain = \"1h\"", "stop.drain is 1h, but must be at most 10m"),
        ("data = \"\"", "namespace \"chat\" has a durable history, but `data` is empty"),
        ("[limits.session]\nresume_window = \"2h\"", "resume_window is 2h, but must be at most 1h"),
        ("[limits.node]\nresumes_per_second = 0", "limits.node.resumes_per_second is 0"),
        (
            "[[namespace]]\nname = \"a\"\nhistory_events_max = 0",
            "history_events_max is 0, but must be at least 1",
        ),
        ("[[namespace]]\nname = \"a\"\nhistory_bytes_max = 0", "history_bytes_max is 0"),
        ("[[namespace]]\nname = \"a\"\nhistory_age_max = \"0s\"", "history_age_max is 0"),
    ] {
        let said = refusal_of(toml);
        assert!(said.contains(says), "{toml}\nsaid: {said}");
    }
}

#[test]
fn a_public_address_without_authentication_is_refused() {
    for listen in ["0.0.0.0:7400", "[::]:7400", "192.168.1.2:7400", "[::ffff:10.0.0.1]:7400"] {
        let open = format!("listen = \"{listen}\"");
        assert!(refusal_of(&open).contains("nothing is authenticated"), "{listen}");
        let insecure = format!("{open}\ninsecure = true");
        Config::from_toml(&insecure, "test").unwrap().check().unwrap();
        let key = format!("{open}\n[[auth.api_key]]\nname = \"a\"\nsha256 = \"00\"");
        Config::from_toml(&key, "test").unwrap().check().unwrap();
    }
    for listen in ["127.0.0.1:0", "127.9.9.9:7400", "[::1]:7400", "[::ffff:127.0.0.1]:7400"] {
        let config = Config::from_toml(&format!("listen = \"{listen}\""), "test").unwrap();
        config.check().unwrap();
    }
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    for origin in ["https://app.example.com", "http://localhost:5173", "http://[::1]:8080", "https://a:8443"]
    {
        assert!(is_origin(origin), "{origin}");
    }
    for origin in [
        "*",
        "null",
        "",
        "app.example.com",
        "https://",
        "https://*.example.com",
        "https://app.example.com/",
        "https://app.example.com/x",
        "https://app.example.com:443",
        "https://App.example.com",
        "https://u@app.example.com",
        "ftp://app.example.com",
        "https://app.example.com?x",
    ] {
        assert!(!is_origin(origin), "{origin}");
    }
    assert!(refusal_of("[web]\norigins = [\"*\"]").contains("web.origins: \"*\" is no origin"));
}
