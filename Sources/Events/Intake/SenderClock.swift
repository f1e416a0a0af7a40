import Kernel

/// The clock of whoever sends events, which may be wrong.
public enum SenderClock {
    /// What lies between a sending and its receipt up to this long is the way, or a try that was repeated,
    /// and no fault of the clock. Were it taken for one, the order of what somebody sends would follow the
    /// network.
    public static let tolerance = Duration.seconds(300)

    /// When something happened by the receiver's clock.
    ///
    /// - Parameter sentAt: what the sender's clock showed when it sent; nil where it does not say.
    public static func corrected(
        _ instant: Timestamp, sentAt: Timestamp?, receivedAt: Timestamp
    ) -> Timestamp {
        guard let sentAt else { return instant }
        let difference = receivedAt - sentAt
        guard difference > tolerance || difference < .zero - tolerance else { return instant }
        return instant + difference
    }
}
