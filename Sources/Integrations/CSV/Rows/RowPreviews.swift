import Events
import Kernel

/// Says what rows become, for a preview.
protocol RowPreviews {
    /// What is understood of a row beyond the texts of its mapped columns, by target.
    mutating func preview(_ row: DelimitedParser.Row) throws(RowRejection) -> [String: String]
}

extension RowReader: RowPreviews {
    mutating func preview(_ row: DelimitedParser.Row) throws(RowRejection) -> [String: String] {
        switch read(row) {
        case .event(let event):
            return [
                "type": event.type.rawValue, "occurredAt": event.occurredAt.description,
                "channel": event.channel,
            ]
        case .repeated: throw RowRejection(reason: "a row before it has the same eventId")
        case .rejected(let reason): throw RowRejection(reason: reason)
        }
    }
}
