import Foundation
import Postgres

extension JSONB {
    /// `value` as JSON.
    package init(encoding value: some Encodable) throws {
        self.init(bytes: Array(try JSONEncoder().encode(value)))
    }

    /// What the JSON holds.
    package func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}
