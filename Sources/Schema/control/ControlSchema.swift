/// The tables of the control database, as one script for an empty database.
package enum ControlSchema {
    /// The number that `schema_version` holds after `sql` was run. A daemon refuses a higher one.
    package static let version = 2

    /// Creates everything; run it in one transaction.
    package static let sql = String(decoding: PackageResources.current_sql, as: UTF8.self)
}
