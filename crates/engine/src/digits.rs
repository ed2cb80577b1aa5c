//! Decimal digits into a buffer, without a formatter or an allocation.

pub fn push_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[from..]);
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_length_comes_out_as_it_is_written() {
        for number in [0, 7, 10, 99, 12_345, 1_000_000, u64::MAX] {
            let mut out = vec![b'x'];
            super::push_number(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{number}"));
        }
    }
}
