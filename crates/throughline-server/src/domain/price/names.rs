//! One spelling for the many names that a model and its provider go by.

/// A model's name as price rules know it: without who serves it, where, and on which date it was released.
///
/// `eu.anthropic.claude-sonnet-4-5-20250929-v1:0`, `anthropic/claude-sonnet-4.5` and `claude-sonnet-4-5@20250929` are
/// all `claude-sonnet-4-5`.
pub fn model(given: &str) -> String {
    let name = given.trim().to_lowercase().replace('.', "-");
    // `openai/`, `models/`, `publishers/google/models/`, `arn:aws:bedrock:...:inference-profile/`
    let name = name.rsplit('/').next().unwrap_or(&name);
    // Vertex: `claude-sonnet-4-5@20250929`
    let name = name.split('@').next().unwrap_or(name);
    let (name, is_bedrock) = without_bedrock_vendor(name);
    let (name, has_revision) = without_revision(name);
    let name = if is_bedrock || has_revision { without_version(name) } else { name };
    let name = name.strip_suffix("-latest").unwrap_or(name);
    without_date(name).to_owned()
}

/// A provider's name without the signs that clients cannot agree on: `z.ai`, `z_ai` and `Z-AI` are all `zai`.
pub(super) fn provider(given: &str) -> String {
    let letters = given.chars().filter(|char| char.is_ascii_alphanumeric());
    let name: String = letters.map(|char| char.to_ascii_lowercase()).collect();
    match name.strip_suffix("ai") {
        Some("fireworks") => "fireworks".to_owned(),
        _ => name,
    }
}

/// `eu.anthropic.` and the like, in which dots have become dashes.
fn without_bedrock_vendor(name: &str) -> (&str, bool) {
    const REGIONS: [&str; 8] = ["us-gov-", "us-", "eu-", "apac-", "jp-", "au-", "ca-", "global-"];
    const VENDORS: [&str; 12] = [
        "ai21-",
        "amazon-",
        "anthropic-",
        "cohere-",
        "deepseek-",
        "meta-",
        "minimax-",
        "mistral-",
        "moonshot-",
        "openai-",
        "qwen-",
        "zai-",
    ];
    let rest = REGIONS.iter().find_map(|region| name.strip_prefix(region)).unwrap_or(name);
    let Some((vendor, rest)) = VENDORS.iter().find_map(|vendor| Some((*vendor, rest.strip_prefix(vendor)?)))
    else {
        return (name, false);
    };
    // `deepseek-v4-pro` and `mistral-large` are names of models, not of models of a vendor.
    let own_name = name.len() == vendor.len() + rest.len()
        && ["deepseek-", "mistral-", "minimax-", "qwen-"].contains(&vendor)
        && !rest.starts_with(vendor);
    if own_name { (name, false) } else { (rest, true) }
}

/// Bedrock's `:0`.
fn without_revision(name: &str) -> (&str, bool) {
    match name.rsplit_once(':') {
        Some((rest, revision)) if is_digits(revision) => (rest, true),
        _ => (name, false),
    }
}

/// Bedrock's `-v1`.
fn without_version(name: &str) -> &str {
    match name.rsplit_once("-v") {
        Some((rest, version)) if is_digits(version) => rest,
        _ => name,
    }
}

/// `-2025-09-29` or `-20250929` at the end.
fn without_date(name: &str) -> &str {
    let digits: String = name.chars().rev().take(10).filter(char::is_ascii_digit).collect();
    let is_date = |length: usize, dashes: usize| {
        let start = name.len().checked_sub(length + 1)?;
        let date = name.get(start..)?.strip_prefix('-')?;
        let is_date = date.starts_with("20")
            && date.matches('-').count() == dashes
            && date.chars().all(|char| char == '-' || char.is_ascii_digit());
        is_date.then(|| &name[..start])
    };
    if digits.len() < 8 {
        return name;
    }
    is_date(10, 2).or_else(|| is_date(8, 0)).unwrap_or(name)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{model, provider};

    #[test]
    fn one_model_goes_by_many_names() {
        for (given, expected) in [
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("GPT-4o", "gpt-4o"),
            ("openai/gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
            ("gpt-4.1-mini", "gpt-4-1-mini"),
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
            ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
            ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
            ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
            ("us-gov.anthropic.claude-3-5-haiku-20241022-v1:0", "claude-3-5-haiku"),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-opus-4-6-v1",
                "claude-opus-4-6",
            ),
            ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
            ("amazon.nova-pro-v1:0", "nova-pro"),
            ("models/gemini-2.5-pro", "gemini-2-5-pro"),
            ("publishers/google/models/gemini-2.5-flash", "gemini-2-5-flash"),
            ("accounts/fireworks/models/deepseek-v4-pro", "deepseek-v4-pro"),
            ("deepseek.deepseek-v4-pro", "deepseek-v4-pro"),
            ("us.deepseek.deepseek-v4-pro", "deepseek-v4-pro"),
            ("deepseek-v4-flash", "deepseek-v4-flash"),
            ("mistral-large-2512", "mistral-large-2512"),
            ("command-a-03-2025", "command-a-03-2025"),
            ("z-ai/GLM-5.2", "glm-5-2"),
            ("o3", "o3"),
            ("", ""),
            ("ü-20250929", "ü"),
            ("-20250929", ""),
        ] {
            assert_eq!(model(given), expected, "{given}");
        }
    }

    #[test]
    fn one_provider_goes_by_many_names() {
        for (given, expected) in [
            ("z.ai", "zai"),
            ("z_ai", "zai"),
            ("fireworks_ai", "fireworks"),
            ("x_ai", "xai"),
            ("OpenAI", "openai"),
        ] {
            assert_eq!(provider(given), expected);
        }
    }
}
