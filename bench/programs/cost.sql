create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < (select rows from size)) insert into t select i, 'row' || (i * 7919 % 1000), i * 0.5 from n;
create index x on t(b);
select b, count(*), sum(c) from t where a % 3 <> 0 group by b order by 2 desc, 1 limit 5;
select count(*) from t p join t q on q.b = p.b where p.a < 200;
update t set c = c + 1 where b like '%5';
select sum(length(b)), total(c) from t;
