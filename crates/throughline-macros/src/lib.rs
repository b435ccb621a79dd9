//! The derive macro of `throughline::TypedEvent`, which documents it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Lit, LitStr, Meta};

/// See `throughline::TypedEvent`.
#[proc_macro_derive(TypedEvent, attributes(event))]
pub fn derive_typed_event(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    typed_event(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

const LEVELS: [(&str, &str); 5] =
    [("debug", "Debug"), ("info", "Info"), ("warn", "Warn"), ("error", "Error"), ("fatal", "Fatal")];

fn typed_event(input: &DeriveInput) -> Result<TokenStream, Error> {
    let [name, level] = options(&input.attrs, ["name", "level"])?;
    let name = name.ok_or_else(|| Error::new_spanned(&input.ident, "say `#[event(name = \"...\")]`"))?;
    let level = level_of(level.as_ref())?;
    let attributes = fields(input)?.into_iter().map(attribute).collect::<Result<Vec<_>, _>>()?;
    let described = attributes.iter().map(AttributeTokens::schema);
    let added = attributes.iter().map(AttributeTokens::add);
    let keys = attributes.iter().map(|attribute| &attribute.key);
    let description = documentation(&input.attrs);
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        const _: () = {
            ::core::assert!(
                ::throughline::__private::is_valid(#name) #(&& ::throughline::__private::is_valid(#keys))*,
                "names of events and keys of attributes are made of letters, digits, _ and -, in segments joined by dots"
            );
        };

        impl #generics ::throughline::TypedEvent for #ident #arguments #bounds {
            const NAME: &'static str = #name;
            const LEVEL: ::throughline::Level = ::throughline::Level::#level;

            fn schema() -> ::throughline::Schema {
                ::throughline::Schema::new().description(#description).level(Self::LEVEL) #(#described)*
            }

            fn describe<'throughline>(
                &self,
                event: ::throughline::EventBuilder<'throughline>,
            ) -> ::throughline::EventBuilder<'throughline> {
                #(#added)*
                event
            }
        }
    })
}

fn level_of(level: Option<&LitStr>) -> Result<syn::Ident, Error> {
    let Some(level) = level else { return Ok(syn::Ident::new("Info", proc_macro2::Span::call_site())) };
    let value = level.value();
    match LEVELS.iter().find(|(word, _)| *word == value) {
        Some((_, variant)) => Ok(syn::Ident::new(variant, level.span())),
        None => Err(Error::new_spanned(level, "a level is debug, info, warn, error or fatal")),
    }
}

fn fields(input: &DeriveInput) -> Result<Vec<&Field>, Error> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields.named.iter().collect()),
            Fields::Unit => Ok(Vec::new()),
            Fields::Unnamed(fields) => Err(Error::new_spanned(fields, "the fields of an event have names")),
        },
        Data::Enum(_) | Data::Union(_) => Err(Error::new_spanned(&input.ident, "an event is a struct")),
    }
}

/// An attribute of the event: a field of the struct.
struct AttributeTokens<'a> {
    field: &'a syn::Ident,
    kind: &'a syn::Type,
    key: LitStr,
    description: String,
}

fn attribute(field: &Field) -> Result<AttributeTokens<'_>, Error> {
    let ident = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "the field has no name"))?;
    let [key] = options(&field.attrs, ["key"])?;
    let name = ident.to_string();
    let key = key.unwrap_or_else(|| LitStr::new(name.trim_start_matches("r#"), ident.span()));
    Ok(AttributeTokens { field: ident, kind: &field.ty, key, description: documentation(&field.attrs) })
}

impl AttributeTokens<'_> {
    fn schema(&self) -> TokenStream {
        let Self { kind, key, description, .. } = self;
        quote! {
            .attribute_of::<#kind>(#key, #description)
        }
    }

    fn add(&self) -> TokenStream {
        let Self { field, key, .. } = self;
        quote! {
            let event = event.attribute_unless_null(#key, &self.#field);
        }
    }
}

/// The texts of `#[event(...)]` under these names.
fn options<const N: usize>(attrs: &[Attribute], names: [&str; N]) -> Result<[Option<LitStr>; N], Error> {
    let mut found = [const { None }; N];
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("event")) {
        attr.parse_nested_meta(|meta| {
            let at = names.iter().position(|name| meta.path.is_ident(name));
            let at = at.ok_or_else(|| meta.error(format!("it may say {}", names.join(", "))))?;
            found[at] = Some(meta.value()?.parse()?);
            Ok(())
        })?;
    }
    Ok(found)
}

/// The documentation comment, on one line.
fn documentation(attrs: &[Attribute]) -> String {
    let line = |attr: &Attribute| match &attr.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    };
    attrs.iter().filter_map(line).collect::<Vec<_>>().join(" ").trim().to_owned()
}
