//! The properties of encryption. Any value but the default is refused.

use crate::config::config_def::{Property, Valid};

const NO_JVM: &str = "it is about the JVM: leave it out";
const NO_SECURITY: &str = "there is neither TLS nor SASL: only PLAINTEXT works";
const NO_TLS: &str = "there is no TLS: leave it out and use security.protocol=PLAINTEXT";

pub(super) const SSL: &[Property] = &[
    Property::string("security.protocol")
        .default("PLAINTEXT")
        .valid(Valid::OneOfIgnoringCase(&["SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT"]))
        .medium()
        .refused(NO_SECURITY)
        .doc("Whether connections are encrypted (`SSL`) and authenticated (`SASL`)."),
    Property::string("security.providers")
        .refused(NO_JVM)
        .doc("The JVM's security providers, by class."),
    Property::list("ssl.cipher.suites").refused(NO_TLS).doc("The cipher suites to offer."),
    Property::list("ssl.enabled.protocols")
        .default("TLSv1.2,TLSv1.3")
        .medium()
        .refused(NO_TLS)
        .doc("The versions of TLS to offer."),
    Property::string("ssl.endpoint.identification.algorithm")
        .default("https")
        .refused(NO_TLS)
        .doc("How a certificate is matched with the host; empty does not match it."),
    Property::class("ssl.engine.factory.class")
        .refused(NO_TLS)
        .doc("The class that makes TLS engines."),
    Property::password("ssl.key.password")
        .high()
        .refused(NO_TLS)
        .doc("The password of the private key."),
    Property::string("ssl.keymanager.algorithm")
        .default("SunX509")
        .refused(NO_TLS)
        .doc("The JVM's algorithm for keys. The default depends on the JVM."),
    Property::password("ssl.keystore.certificate.chain")
        .high()
        .refused(NO_TLS)
        .doc("The certificate chain, as PEM text."),
    Property::password("ssl.keystore.key")
        .high()
        .refused(NO_TLS)
        .doc("The private key, as PEM text."),
    Property::string("ssl.keystore.location")
        .high()
        .refused(NO_TLS)
        .doc("The file of the private key and its certificates."),
    Property::password("ssl.keystore.password")
        .high()
        .refused(NO_TLS)
        .doc("The password of that file."),
    Property::string("ssl.keystore.type")
        .default("JKS")
        .medium()
        .refused(NO_TLS)
        .doc("The format of that file."),
    Property::string("ssl.protocol")
        .default("TLSv1.3")
        .medium()
        .refused(NO_TLS)
        .doc("The version of TLS."),
    Property::string("ssl.provider").medium().refused(NO_TLS).doc("The JVM's provider of TLS."),
    Property::string("ssl.secure.random.implementation")
        .refused(NO_TLS)
        .doc("The JVM's source of randomness."),
    Property::string("ssl.trustmanager.algorithm")
        .default("PKIX")
        .refused(NO_TLS)
        .doc("The JVM's algorithm for trust. The default depends on the JVM."),
    Property::password("ssl.truststore.certificates")
        .high()
        .refused(NO_TLS)
        .doc("The certificates to trust, as PEM text."),
    Property::string("ssl.truststore.location")
        .high()
        .refused(NO_TLS)
        .doc("The file of the certificates to trust."),
    Property::password("ssl.truststore.password")
        .high()
        .refused(NO_TLS)
        .doc("The password of that file."),
    Property::string("ssl.truststore.type")
        .default("JKS")
        .medium()
        .refused(NO_TLS)
        .doc("The format of that file."),
];
