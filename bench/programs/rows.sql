-- A hundred thousand rows: insert, index, join, aggregate, update, delete.
pragma journal_mode = off;
create table item (id integer primary key, name text, size integer, price real, parent integer);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
insert into item select i, printf('item-%06d', (i * 7919) % 100000), (i * 31) % 997, (i % 1000) / 8.0, i / 10 from n;
commit;
create index by_name on item (name);
create index by_size on item (size, price);
select count(*), sum(size), round(avg(price), 6), min(name), max(name) from item;
select size, count(*), round(sum(price), 3) from item group by size having count(*) > 100 order by 2 desc, 1 limit 10;
select count(*) from item a join item b on b.id = a.parent where a.size > b.size and b.name like '%7%';
update item set price = price * 1.5, name = name || '-x' where size between 100 and 300;
delete from item where id % 3 = 0;
select count(*), round(sum(price), 3), max(name) from item;
select group_concat(name, ',') from (select name from item order by price desc, id limit 20);
