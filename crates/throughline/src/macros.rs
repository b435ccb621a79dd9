/// Emits an event: `emit!(telemetry or session, level, "name", option: value, ..., "key" => value, ...)`.
///
/// The level is `debug`, `info`, `warn`, `error` or `fatal`; without one it is info. Options: `error`, `time`,
/// `session_id`, `actor`, `scope`, `source`. Values are anything that is an [`Attribute`](crate::Attribute). Names and
/// keys are literals, and a name that is none does not compile.
///
/// Nothing is evaluated unless the event is kept: not the attributes and not the options. The call allocates nothing as
/// long as values are scalars and there are no options.
///
/// ```
/// use throughline::{Telemetry, emit};
///
/// # let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// let order = "ord_789";
/// emit!(telemetry, "order.shipped", "ctx.order.id" => order, "ctx.order.total" => 14999);
/// emit!(telemetry, debug, "cache.miss");
/// if let Err(error) = "x".parse::<u32>() {
///     emit!(telemetry, error, "payment.failed", error: &error, "ctx.payment.provider" => "stripe");
/// }
/// emit!(telemetry, "historical.event", time: "2024-01-15T10:30:00.000Z".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail
/// # let telemetry = throughline::Telemetry::builder("shop").build().unwrap();
/// throughline::emit!(telemetry, "not a name");
/// ```
#[macro_export]
macro_rules! emit {
    ($to:expr, $name:literal $($rest:tt)*) => {
        $crate::emit!($to, info, $name $($rest)*)
    };
    ($to:expr, $level:ident, $name:literal $(, $option:ident : $value:expr)* $(, $key:literal => $attribute:expr)* $(,)?) => {
        $crate::__emit!(record_quietly, leave_out_quietly, $to, $level, $name, [$($option : $value),*], [$($key => $attribute),*])
    };
}

/// Emits like [`emit!`](crate::emit), and says why not if it cannot. An event that sampling leaves out counts as emitted.
///
/// ```
/// use throughline::{Telemetry, try_emit};
///
/// # let memory = throughline::testing::Memory::new();
/// # let telemetry = Telemetry::builder("shop").environment("test").transport(memory).build()?;
/// let session = telemetry.session().start();
/// session.end();
/// let refused = try_emit!(session, "too.late");
/// assert_eq!(refused.unwrap_err().code(), "TELEMETRY_SESSION_ENDED");
/// # Ok::<(), throughline::Error>(())
/// ```
#[macro_export]
macro_rules! try_emit {
    ($to:expr, $name:literal $($rest:tt)*) => {
        $crate::try_emit!($to, info, $name $($rest)*)
    };
    ($to:expr, $level:ident, $name:literal $(, $option:ident : $value:expr)* $(, $key:literal => $attribute:expr)* $(,)?) => {
        $crate::__emit!(record, leave_out, $to, $level, $name, [$($option : $value),*], [$($key => $attribute),*])
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __emit {
    (
        $record:ident, $leave_out:ident,
        $to:expr, $level:ident, $name:literal, [$($option:ident : $value:expr),*], [$($key:literal => $attribute:expr),*]
    ) => {{
        static SITE: $crate::__private::Callsite = {
            assert!(
                $crate::__private::is_valid($name),
                "an event name is made of letters, digits, _ and -, in segments joined by dots"
            );
            $crate::__private::Callsite::new(
                $name,
                $crate::__private::level::$level,
                ::core::module_path!(),
                (::core::file!(), ::core::line!()),
                &[$($key),*],
            )
        };
        let to = &$to;
        match $crate::__private::decide(to, $crate::__private::level::$level, &SITE) {
            ::core::option::Option::None => $crate::__private::$leave_out(to),
            ::core::option::Option::Some(kept) => {
                // Out of the way of an event that is off.
                ::core::hint::cold_path();
                $crate::__private::$record(
                    to,
                    &SITE,
                    &mut [$($crate::Attribute::value(&$attribute)),*],
                    $crate::__extra!($($option : $value),*),
                    kept,
                )
            }
        }
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __extra {
    () => {
        ::core::option::Option::None
    };
    ($($option:ident : $value:expr),+) => {{
        let mut extra = ::std::boxed::Box::<$crate::__private::Extra>::default();
        $(extra.$option($value);)+
        ::core::option::Option::Some(extra)
    }};
}
