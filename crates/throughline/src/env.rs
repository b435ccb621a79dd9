//! Setting up from OpenTelemetry's environment variables.

use crate::{Builder, Error, Telemetry};

impl Telemetry {
    /// Begins to set telemetry up from the environment: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`
    /// (`service.name`, `service.version`, `deployment.environment.name`, others are left). The service is
    /// `unknown_service` unless named. For where to send to, there is `Otlp::from_env`.
    ///
    /// # Errors
    /// If a variable cannot be read.
    pub fn from_env() -> Result<Builder, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The same, from wherever the variables come from.
    ///
    /// ```
    /// use throughline::Telemetry;
    /// let variables = |name: &str| match name {
    ///     "OTEL_SERVICE_NAME" => Some("shop".to_owned()),
    ///     "OTEL_RESOURCE_ATTRIBUTES" => Some("service.version=1.4%2B2,deployment.environment.name=staging".to_owned()),
    ///     _ => None,
    /// };
    /// let telemetry = Telemetry::from_variables(variables)?.build()?;
    /// let resource = telemetry.resource();
    /// assert_eq!((resource.service.as_str(), resource.environment.as_str()), ("shop", "staging"));
    /// assert_eq!(resource.version.as_deref(), Some("1.4+2"));
    /// # Ok::<(), throughline::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a variable cannot be read.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Builder, Error> {
        const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let variable = |name: &str| given(variable(name));
        let attributes = variable(ATTRIBUTES).unwrap_or_default();
        let (mut service, mut version, mut environment) = (None, None, None);
        for pair in attributes.split(',').filter(|pair| !pair.trim().is_empty()) {
            let problem =
                || Error::configuration(ATTRIBUTES, format!("{:?} is not like name=value", pair.trim()));
            let (name, value) = pair.split_once('=').ok_or_else(problem)?;
            let value = given(Some(percent_decoded(value.trim())));
            match name.trim() {
                "service.name" => service = value,
                "service.version" => version = value,
                // The second is what the first was called before.
                "deployment.environment.name" | "deployment.environment" => environment = value,
                _ => {}
            }
        }
        let service =
            variable("OTEL_SERVICE_NAME").or(service).unwrap_or_else(|| "unknown_service".to_owned());
        let builder = Self::builder(service);
        let builder = environment.into_iter().fold(builder, Builder::environment);
        Ok(version.into_iter().fold(builder, Builder::version))
    }
}

/// What a variable says, without what surrounds it. OpenTelemetry has it that an empty variable is an unset one.
pub(crate) fn given(value: Option<String>) -> Option<String> {
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// As the W3C baggage format has it, which OpenTelemetry's lists follow.
pub(crate) fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (*first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            (byte, ..) => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
